import CSwiftCLIP

@_cdecl("swiftclip_version") @implementation
public func swiftclip_version() -> UInt32 { 10000 }
