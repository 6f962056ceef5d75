/// Pairs of WebDataset shards: members of a tar file that stand side by side and have the same name up to the first
/// dot, one of them a picture and one a caption.
struct ShardPair {
  /// Shard above, number in the shard below: the same in every epoch.
  let index: UInt64
  let shard: Int
  /// The common name.
  let name: String
  let picture: Range<Int>
  let caption: Range<Int>
  let isJSON: Bool
}

/// Goes through shards in some order and finds their pairs by headers alone.
struct ShardWalker {
  private let paths: [String]
  private let order: [UInt32]
  private var next = 0
  private var reader: TarReader?
  private var group = Group(name: [])
  private var number: UInt64 = 0

  /// Members with one name.
  private struct Group {
    let name: [UInt8]
    var picture: Range<Int>?
    var text: Range<Int>?
    var json: Range<Int>?
    var isEmpty: Bool { picture == nil && text == nil && json == nil }
  }

  init(_ paths: [String], order: [UInt32]) {
    self.paths = paths
    self.order = order
  }

  /// The shard that is being read.
  var file: InputFile? { reader?.file }

  /// The next pair; nil behind the last. Problems on the way are told first.
  mutating func nextPair(_ take: (Problem) -> Void) throws(DatasetError) -> ShardPair? {
    while next < order.count {
      let shard = Int(order[next])
      if reader == nil {
        reader = TarReader(try InputFile(paths[shard]))
        group = Group(name: [])
        number = 0
      }
      var finished: Group?
      switch try reader?.next() {
      case .damage(let what): take(Problem(.badMembers, "\(paths[shard]): \(what)."))
      case .member(let member): finished = add(member)
      case nil:
        finished = group
        reader = nil
        next += 1
      }
      if let finished, let pair = pair(finished, shard, take) { return pair }
    }
    return nil
  }

  /// Adds a member to the group, or begins a new one and returns that before it.
  private mutating func add(_ member: TarReader.Member) -> Group? {
    let folder = member.name.lastIndex(of: 0x2F).map { $0 + 1 } ?? 0
    guard let dot = member.name[folder...].firstIndex(of: 0x2E) else { return nil }
    let name = Array(member.name[..<dot])
    var finished: Group?
    if name != group.name {
      finished = group
      group = Group(name: name)
    }
    let ending = member.name[(dot + 1)...].map { 0x41...0x5A ~= $0 ? $0 | 0x20 : $0 }
    // Of two members of one kind the first counts.
    switch String(decoding: ending, as: UTF8.self) {
    case "jpg", "jpeg", "png", "webp": group.picture = group.picture ?? member.extent
    case "txt": group.text = group.text ?? member.extent
    case "json": group.json = group.json ?? member.extent
    default: break
    }
    return finished
  }

  /// The pair that a group makes, or the problem that it is.
  private mutating func pair(_ group: Group, _ shard: Int, _ take: (Problem) -> Void) -> ShardPair? {
    guard !group.isEmpty else { return nil }
    let name = String(decoding: group.name, as: UTF8.self)
    guard let picture = group.picture, let caption = group.text ?? group.json else {
      let lack = group.picture == nil ? "a picture (.jpg, .jpeg, .png, .webp)" : "a caption (.txt, .json)"
      take(Problem(.incompletePairs, "\(paths[shard]): \(name) lacks \(lack)."))
      return nil
    }
    number += 1
    return ShardPair(
      index: UInt64(shard) << 32 | (number - 1) & 0xFFFF_FFFF, shard: shard, name: name, picture: picture,
      caption: caption, isJSON: group.text == nil)
  }
}
