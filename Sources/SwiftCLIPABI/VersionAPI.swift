// The names are those of swiftclip.h.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CSwiftCLIP

@_cdecl("swiftclip_version") @implementation
public func swiftclip_version() -> UInt32 {
  UInt32(SWIFTCLIP_VERSION_MAJOR * 10000 + SWIFTCLIP_VERSION_MINOR * 100 + SWIFTCLIP_VERSION_PATCH)
}

@_cdecl("swiftclip_status_name") @implementation
public func swiftclip_status_name(_ status: swiftclip_status) -> UnsafePointer<CChar>! {
  let name: StaticString =
    switch status {
    case SWIFTCLIP_OK: "OK"
    case SWIFTCLIP_INVALID_ARGUMENT: "INVALID_ARGUMENT"
    case SWIFTCLIP_IO_ERROR: "IO_ERROR"
    case SWIFTCLIP_INVALID_DATA: "INVALID_DATA"
    case SWIFTCLIP_UNSUPPORTED: "UNSUPPORTED"
    case SWIFTCLIP_TEXT_TOO_LONG: "TEXT_TOO_LONG"
    case SWIFTCLIP_LIMIT_EXCEEDED: "LIMIT_EXCEEDED"
    case SWIFTCLIP_OUT_OF_MEMORY: "OUT_OF_MEMORY"
    case SWIFTCLIP_CANCELLED: "CANCELLED"
    case SWIFTCLIP_BUFFER_TOO_SMALL: "BUFFER_TOO_SMALL"
    case SWIFTCLIP_MISSING_PART: "MISSING_PART"
    case SWIFTCLIP_INTERNAL_ERROR: "INTERNAL_ERROR"
    case SWIFTCLIP_DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED"
    default: "UNKNOWN"
    }
  return unsafe StaticText.make(name)
}

@_cdecl("swiftclip_last_error") @implementation
public func swiftclip_last_error() -> UnsafePointer<CChar>! {
  unsafe LastError.pointer
}
