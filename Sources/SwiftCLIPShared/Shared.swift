@_exported import SwiftCLIPABI
