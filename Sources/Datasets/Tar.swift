/// Members of a tar file: ustar, GNU's long names, pax headers. Reads headers only; sizes and names are checked
/// before anything is done with them.
struct TarReader {
  struct Member {
    let name: [UInt8]
    /// Where its contents are.
    let extent: Range<Int>
  }

  enum Entry {
    case member(Member)
    /// Damage, told without the file's name; reading goes on behind it.
    case damage(String)
  }

  let file: InputFile
  private var offset = 0
  private var isAtEnd = false

  private static let block = 512
  /// Longest extended header, in bytes.
  private static let maximalHeader = 1 << 20

  init(_ file: InputFile) { self.file = file }

  /// The next regular file; nil at the end.
  mutating func next() throws(DatasetError) -> Entry? {
    var longName: [UInt8]?
    var longSize: Int?
    while !isAtEnd {
      let place = offset
      guard let header = try readHeader() else {
        if isAtEnd { return nil }
        try resynchronise()
        return .damage("the header at byte \(place) is damaged")
      }
      let size = header.isOrdinary ? longSize ?? header.size : header.size
      guard let size, let end = end(of: size) else {
        // The contents are cut off, or the size is wrong.
        try resynchronise()
        return .damage("the member at byte \(place) says that it has more bytes than the file")
      }
      let extent = offset..<offset + size
      if header.hasContents { offset = end }
      switch header.kind {
      case UInt8(ascii: "L"), UInt8(ascii: "x"):
        guard size <= Self.maximalHeader else {
          return .damage("the header at byte \(place) is impossibly long")
        }
        let contents = try file.bytes(size, at: extent.lowerBound)
        if header.kind == UInt8(ascii: "L") {
          longName = Array(contents.prefix { $0 != 0 })
        } else if let fields = Self.paxFields(contents) {
          longName = fields.path ?? longName
          longSize = fields.size ?? longSize
        } else {
          return .damage("the pax header at byte \(place) is damaged")
        }
      case 0, UInt8(ascii: "0"), UInt8(ascii: "7"):
        return .member(Member(name: longName ?? header.name, extent: extent))
      default:
        // Folders, links and devices are passed over. What an extended header said was about them.
        if header.isOrdinary { (longName, longSize) = (nil, nil) }
      }
    }
    return nil
  }

  /// Where the next header is behind contents of `size` bytes, if the file has them all.
  private func end(of size: Int) -> Int? {
    guard size >= 0, size <= file.size - offset else { return nil }
    let (end, overflow) = size.addingReportingOverflow(Self.block - 1)
    guard !overflow else { return nil }
    // The last block may lack its padding.
    return min(offset + end / Self.block * Self.block, file.size)
  }

  private struct Header {
    let kind: UInt8
    let name: [UInt8]
    let size: Int?

    /// What extended headers speak of.
    var isOrdinary: Bool { !"LKxgS".utf8.contains(kind) }
    /// Links, folders and devices have none, whatever their size says.
    var hasContents: Bool { !"123456".utf8.contains(kind) }
  }

  /// Reads a header and moves behind it; nil at the end and where there is none.
  private mutating func readHeader() throws(DatasetError) -> Header? {
    guard offset < file.size else {
      isAtEnd = true
      return nil
    }
    let block = try file.bytes(Self.block, at: offset)
    guard block.contains(where: { $0 != 0 }) else {
      isAtEnd = true
      return nil
    }
    guard block.count == Self.block, Self.hasChecksum(block[...]) else { return nil }
    offset += Self.block
    func text(_ range: Range<Int>) -> [UInt8] { Array(block[range].prefix { $0 != 0 }) }
    var name = text(0..<100)
    // ustar's prefix; GNU's magic has a space there and other things in its place.
    let prefix = block[257..<263].elementsEqual("ustar\0".utf8) ? text(345..<500) : []
    if !prefix.isEmpty { name = prefix + [0x2F] + name }
    return Header(kind: block[156], name: name, size: Self.number(block[124..<136]))
  }

  /// Moves to the next block that is a header, or to the end.
  private mutating func resynchronise() throws(DatasetError) {
    let piece = 128 * Self.block
    offset = (offset / Self.block + 1) * Self.block
    while offset < file.size {
      let bytes = try file.bytes(piece, at: offset)
      for start in stride(from: 0, to: bytes.count - Self.block + 1, by: Self.block) {
        let block = bytes[start..<start + Self.block]
        guard block[start + 257..<start + 262].elementsEqual("ustar".utf8), Self.hasChecksum(block) else {
          continue
        }
        offset += start
        return
      }
      offset += piece
    }
    isAtEnd = true
  }

  /// Whether a block has the checksum of a header: the sum of its bytes, those of the checksum taken as spaces.
  private static func hasChecksum(_ block: ArraySlice<UInt8>) -> Bool {
    let start = block.startIndex
    guard let wanted = number(block[start + 148..<start + 156]) else { return false }
    var sum = 0
    var signed = 0
    for (index, byte) in block.enumerated() {
      let value = 148..<156 ~= index ? 0x20 : byte
      sum += Int(value)
      signed += Int(Int8(bitPattern: value))
    }
    // Old programs summed signed bytes.
    return wanted == sum || wanted == signed
  }

  /// An octal number between spaces and NULs, or GNU's binary form; nil for anything else.
  private static func number(_ field: ArraySlice<UInt8>) -> Int? {
    guard let first = field.first else { return nil }
    var value = 0
    if first == 0x80 {
      for byte in field.dropFirst() {
        guard value < 1 << 54 else { return nil }
        value = value << 8 | Int(byte)
      }
      return value
    }
    let digits = field.drop { $0 == 0x20 }.prefix { $0 != 0x20 && $0 != 0 }
    guard !digits.isEmpty, digits.allSatisfy({ 0x30...0x37 ~= $0 }) else { return nil }
    for digit in digits {
      guard value < 1 << 59 else { return nil }
      value = value << 3 | Int(digit - 0x30)
    }
    return value
  }

  /// The path and size in a pax header, which is made of lines "LENGTH KEY=VALUE"; nil where it is damaged.
  private static func paxFields(_ contents: [UInt8]) -> (path: [UInt8]?, size: Int?)? {
    var path: [UInt8]?
    var size: Int?
    var rest = contents[...]
    while let first = rest.first, first != 0 {
      guard let space = rest.firstIndex(of: 0x20), let length = decimal(rest[..<space]), length <= rest.count,
        length > space - rest.startIndex + 1, rest[rest.startIndex + length - 1] == 0x0A
      else { return nil }
      let record = rest[(space + 1)..<(rest.startIndex + length - 1)]
      guard let equals = record.firstIndex(of: 0x3D) else { return nil }
      let value = record[(equals + 1)...]
      if record[..<equals].elementsEqual("path".utf8) { path = Array(value) }
      if record[..<equals].elementsEqual("size".utf8) {
        guard let number = decimal(value) else { return nil }
        size = number
      }
      rest = rest.dropFirst(length)
    }
    return (path, size)
  }

  private static func decimal(_ digits: ArraySlice<UInt8>) -> Int? {
    guard 1...18 ~= digits.count, digits.allSatisfy({ 0x30...0x39 ~= $0 }) else { return nil }
    return digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
  }
}
