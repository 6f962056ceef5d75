public enum TokenizerError: Error { case invalidData(String), invalidUTF8(String), tooLong(String), unsupported(String) }
public struct Tokenizer: Sendable {
  public init(vocabulary: UnsafeRawBufferPointer, name: String, contextLength: Int, vocabularySize: Int?) throws(TokenizerError) { self.contextLength = contextLength; self.vocabularySize = 0; startToken = 0; endToken = 0 }
  public let contextLength: Int, vocabularySize: Int, startToken: Int, endToken: Int
  public func encode(_ utf8: UnsafeRawBufferPointer, truncate: Bool, replaceInvalid: Bool, into: UnsafeMutableBufferPointer<Int32>) throws(TokenizerError) -> Int { 0 }
}
