// The names are those of swiftclip.h.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CSwiftCLIP
import Kernels

@_cdecl("swiftclip_cancellation_create") @implementation
public func swiftclip_cancellation_create(
  _ cancellation: UnsafeMutablePointer<OpaquePointer?>!
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let target = unsafe try handleOutput(cancellation, "cancellation")
    unsafe target.pointee = Handles.add(.cancellation(Cancellation()))
  }
}

@_cdecl("swiftclip_cancellation_free") @implementation
public func swiftclip_cancellation_free(_ cancellation: OpaquePointer!) {
  if case .cancellation = unsafe Handles.find(cancellation) { unsafe Handles.remove(cancellation) }
}

@_cdecl("swiftclip_cancellation_cancel") @implementation
public func swiftclip_cancellation_cancel(_ cancellation: OpaquePointer!) -> swiftclip_status {
  boundary { () throws(BoundaryError) in unsafe try Handles.cancellation(cancellation).cancel() }
}

@_cdecl("swiftclip_cancellation_set_deadline") @implementation
public func swiftclip_cancellation_set_deadline(
  _ cancellation: OpaquePointer!, _ milliseconds: Int64
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    unsafe try Handles.cancellation(cancellation).setDeadline(milliseconds: Int(milliseconds))
  }
}

@_cdecl("swiftclip_cancellation_attach") @implementation
public func swiftclip_cancellation_attach(_ cancellation: OpaquePointer!) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let found = unsafe try Handles.cancellation(cancellation)
    guard Attachments.attach(found, number: UInt(bitPattern: cancellation)) else {
      throw BoundaryError(
        SWIFTCLIP_OUT_OF_MEMORY, "The system has no room for what is attached to a thread. Attach nothing.")
    }
  }
}

@_cdecl("swiftclip_cancellation_detach") @implementation
public func swiftclip_cancellation_detach(_ cancellation: OpaquePointer!) {
  // Not looked for among the live handles: it may have been freed since it was attached.
  Attachments.detach(number: UInt(bitPattern: cancellation))
}
