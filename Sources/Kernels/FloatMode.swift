import CPlatform

/// The floating-point mode of a thread of the host, kept while the library computes in the default one.
public struct FloatMode: Sendable {
  private let mode: UInt32

  /// Switches the calling thread to the default mode and keeps the one that it had.
  public static func begin() -> FloatMode { FloatMode(mode: platform_float_mode_begin()) }

  /// The calling thread's mode, which stays.
  public static var own: FloatMode {
    let mode = platform_float_mode_begin()
    platform_float_mode_end(mode)
    return FloatMode(mode: mode)
  }

  /// Switches the calling thread to this mode.
  public func restore() { platform_float_mode_end(mode) }
}
