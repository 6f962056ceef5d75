/// The fast way for texts that the repair cannot change: ASCII without control characters, `&` and so HTML
/// escapes. Most captions are. Lower-casing and splitting is then a matter of bytes; white space needs no
/// collapsing, because the splitter passes over it. Tests compare it with `TextRepair` and `WordSplitter`.
enum PlainText {
  /// What a byte is to the splitter.
  private enum Kind: UInt8 {
    case letter, number, space, other
  }

  /// The text in lower case, or nil if it is not plain.
  static func lowercased(_ utf8: UnsafeRawBufferPointer) -> [UInt8]? {
    var isPlain = true
    // Both buffers hold `utf8.count` bytes; the loop ends there.
    let text = unsafe [UInt8](unsafeUninitializedCapacity: utf8.count) { result, count in
      for i in 0..<utf8.count {
        let byte = unsafe utf8[i]
        guard isPlainByte(byte) else {
          isPlain = false
          break
        }
        unsafe result[i] = 0x41...0x5A ~= byte ? byte | 0x20 : byte
        count = i + 1
      }
    }
    return isPlain ? text : nil
  }

  @inline(__always)
  private static func isPlainByte(_ byte: UInt8) -> Bool {
    // Of the control characters, tab, line feed, form feed and carriage return are white space.
    byte >= 0x20 ? byte < 0x7F && byte != 0x26 : byte < 0x0E && 0x3600 >> UInt16(byte) & 1 == 1
  }

  /// The piece at or after `position`, which moves behind it; nil at the end of the text.
  static func next(_ text: [UInt8], _ position: inout Int) -> WordSplitter.Piece? {
    while position < text.count {
      let start = position
      let kind = kind(text[start])
      position += 1
      switch kind {
      case .space: continue
      case .number: return .word(start..<position)
      case .letter: break
      case .other:
        if text[start] == 0x27, let length = contraction(text, start) {
          position = start + length
          return .word(start..<position)
        }
        if text[start] == 0x3C, let (piece, length) = special(text, start) {
          position = start + length
          return piece
        }
      }
      while position < text.count, self.kind(text[position]) == kind { position += 1 }
      return .word(start..<position)
    }
    return nil
  }

  @inline(__always)
  private static func kind(_ byte: UInt8) -> Kind {
    switch byte {
    case 0x61...0x7A: .letter
    case 0x30...0x39: .number
    case 0...0x20: .space
    default: .other
    }
  }

  private static func contraction(_ text: [UInt8], _ start: Int) -> Int? {
    guard start + 1 < text.count else { return nil }
    let second = start + 2 < text.count ? text[start + 2] : 0
    switch text[start + 1] {
    case 0x73, 0x74, 0x6D, 0x64: return 2  // 's 't 'm 'd
    case 0x72, 0x76: return second == 0x65 ? 3 : nil  // 're 've
    case 0x6C: return second == 0x6C ? 3 : nil  // 'll
    default: return nil
    }
  }

  private static func special(_ text: [UInt8], _ start: Int) -> (WordSplitter.Piece, Int)? {
    for (mark, piece) in [("<|startoftext|>", WordSplitter.Piece.start), ("<|endoftext|>", .end)] {
      if text[start...].starts(with: mark.utf8) { return (piece, mark.utf8.count) }
    }
    return nil
  }
}
