// The names are those of swiftclip.h.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CSwiftCLIP
import Datasets
import SwiftCLIP

@_cdecl("swiftclip_dataset_options_init") @implementation
public func swiftclip_dataset_options_init(
  _ options: UnsafeMutablePointer<swiftclip_dataset_options>!, _ structSize: Int
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    unsafe try swiftclip_dataset_options.write(to: options, size: structSize)
  }
}

@_cdecl("swiftclip_dataset_open") @implementation
public func swiftclip_dataset_open(
  _ paths: UnsafePointer<UnsafePointer<CChar>?>!, _ count: Int,
  _ options: UnsafePointer<swiftclip_dataset_options>!, _ dataset: UnsafeMutablePointer<OpaquePointer?>!
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    guard count != 0 else { throw .argument("There are no paths. Give a table, shards, or a folder.") }
    var names: [String] = []
    for unsafe(index, pointer) in unsafe try input(paths, "paths", count: count).enumerated() {
      names.append(unsafe try path(pointer, "paths[\(index)]"))
    }
    guard let options = unsafe options else {
      throw .argument("options is NULL, but a model or a vocabulary must be set in it.")
    }
    let checked = unsafe try swiftclip_dataset_options.read(options).checked()
    let target = unsafe try handleOutput(dataset, "dataset")
    let opened = try reading { () throws(DatasetError) in try Dataset(paths: names, checked) }
    unsafe target.pointee = Handles.add(.dataset(opened))
  }
}

@_cdecl("swiftclip_dataset_free") @implementation
public func swiftclip_dataset_free(_ dataset: OpaquePointer!) {
  if case .dataset = unsafe Handles.find(dataset) { unsafe Handles.remove(dataset) }
}

@_cdecl("swiftclip_dataset_next") @implementation
public func swiftclip_dataset_next(
  _ dataset: OpaquePointer!, _ pixels: UnsafeMutablePointer<Float>!, _ pixelsCapacity: Int,
  _ tokens: UnsafeMutablePointer<Int32>!, _ tokensCapacity: Int, _ count: UnsafeMutablePointer<Int>!
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let opened = unsafe try Handles.dataset(dataset)
    guard let count = unsafe count else {
      throw .argument("count is NULL: there is nowhere to put the number of pairs.")
    }
    let size = opened.imageSize
    let batch = opened.options.batchSize
    let floats = unsafe try output(
      pixels, "pixels", capacity: pixelsCapacity, needed: elements(batch, 3, size, size, of: "pictures"))
    let ids = unsafe try output(
      tokens, "tokens", capacity: tokensCapacity,
      needed: elements(batch, opened.contextLength, of: "captions"))
    guard let floats = unsafe floats, let ids = unsafe ids else { return }
    unsafe count.pointee = try reading { () throws(DatasetError) in unsafe try opened.next(into: floats, ids)
    }
  }
}

@_cdecl("swiftclip_dataset_seek") @implementation
public func swiftclip_dataset_seek(_ dataset: OpaquePointer!, _ batch: UInt64) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let opened = unsafe try Handles.dataset(dataset)
    guard batch <= 1 << 53 else {
      throw .argument("batch is \(batch), and must be at most 2^53. Check for a negative number.")
    }
    try reading { () throws(DatasetError) in try opened.seek(Int(batch)) }
  }
}

@_cdecl("swiftclip_dataset_position") @implementation
public func swiftclip_dataset_position(_ dataset: OpaquePointer!) -> UInt64 {
  unsafe (try? Handles.dataset(dataset)).map { UInt64($0.state.next) } ?? 0
}

@_cdecl("swiftclip_dataset_batches") @implementation
public func swiftclip_dataset_batches(_ dataset: OpaquePointer!) -> Int {
  unsafe (try? Handles.dataset(dataset))?.state.batches ?? 0
}

@_cdecl("swiftclip_dataset_report") @implementation
public func swiftclip_dataset_report(
  _ dataset: OpaquePointer!, _ json: UnsafeMutablePointer<CChar>!, _ capacity: Int,
  _ length: UnsafeMutablePointer<Int>!
) -> swiftclip_status {
  boundary { () throws(BoundaryError) in
    let state = unsafe try Handles.dataset(dataset).state
    let report = state.report
    let skipped = zip(Report.Reason.allCases, report.skipped).map { ($0.rawValue, JSON.raw("\($1)")) }
    let told = JSON.object([
      ("pictures", state.pairs.map { .number($0) } ?? .null),
      ("pairs", .raw("\(report.pairs)")),
      ("truncated", .raw("\(report.truncated)")),
      ("skipped", .object(skipped)),
      ("first", .array(report.first.map { .string($0) })),
    ])
    unsafe try write(told.text, "json", to: json, capacity: capacity, length: length)
  }
}

/// Calls a data set and tells its errors in the boundary's terms.
private func reading<R>(_ body: () throws(DatasetError) -> R) throws(BoundaryError) -> R {
  do { return try body() } catch { throw BoundaryError(error) }
}
