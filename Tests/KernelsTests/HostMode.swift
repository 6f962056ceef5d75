import CPlatform

/// A host that flushes denormals to zero and rounds upwards, as some audio and game programs do.
enum HostMode {
  static func flushingDenormals<Result>(_ body: () throws -> Result) rethrows -> Result {
    let before = platform_float_mode_begin()
    platform_float_mode_set(0xdfc0)
    defer { platform_float_mode_end(before) }
    return try body()
  }
}
