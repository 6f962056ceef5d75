// swift-tools-version: 6.2
import PackageDescription

/// Everything but the kernels marks each unsafe expression, so that it can be found and says why it holds.
let safe: [SwiftSetting] = [.strictMemorySafety(), .treatAllWarnings(as: .error)]

/// Multiplies nothing: space counts there.
let small: [SwiftSetting] = [
  .unsafeFlags(["-Osize"], .when(configuration: .release))
]

/// Kernels are pointers and arithmetic, checked by their callers and by tests against plain references.
let kernel: [SwiftSetting] = [.treatAllWarnings(as: .error), .unsafeFlags(["-Ounchecked"])]

/// Target features belong to a module, so each instruction set is a module of its own.
func kernel(_ define: String, features: [String]) -> [SwiftSetting] {
  kernel + [.define(define), .unsafeFlags(features.flatMap { ["-Xcc", "-m\($0)"] })]
}

/// Counters of time by stage: `SWIFTCLIP_COUNTERS=1 swift build ...`; see docs/benchmarks.md.
let counters: [SwiftSetting] =
  Context.environment["SWIFTCLIP_COUNTERS"] == "1" ? [.define("SWIFTCLIP_COUNTERS")] : []

let package = Package(
  name: "swiftclip",
  products: [.library(name: "swiftclip", type: .dynamic, targets: ["SwiftCLIPShared"])],
  targets: [
    .systemLibrary(name: "CSwiftCLIP", path: "include"),
    .target(
      name: "SwiftCLIPShared",
      dependencies: ["SwiftCLIPABI"],
      swiftSettings: safe,
      linkerSettings: [
        .unsafeFlags([
          "-static-stdlib", "-use-ld=lld",
          "-Xlinker", "--icf=all",
          "-Xlinker", "--gc-sections",
          "-Xlinker", "\(Context.packageDirectory)/scripts/no_unwind.ld",
          "-Xlinker", "-s",
          "-Xlinker", "-soname=libswiftclip.so.1",
          "-Xlinker", "--version-script=\(Context.packageDirectory)/include/swiftclip.map",
        ])
      ]),
    .target(
      name: "SwiftCLIPABI",
      dependencies: ["CSwiftCLIP", "SwiftCLIP", "Datasets", "Imaging", "Tokenizing", "Kernels"],
      swiftSettings: safe + small),
    .target(
      name: "SwiftCLIP",
      dependencies: ["ONNXImport", "ONNXExport", "Imaging", "Tokenizing", "Kernels", "Counters"],
      swiftSettings: safe + small),
    .target(
      name: "Datasets", dependencies: ["Imaging", "Tokenizing", "Kernels"], swiftSettings: safe + small),
    .target(name: "ONNXImport", swiftSettings: safe + small),
    .target(name: "ONNXExport", swiftSettings: safe + small),
    .target(name: "Tokenizing", swiftSettings: safe),
    .target(
      name: "Imaging", dependencies: ["CCodecs"],
      // Also in debug builds: tests resample millions of pixels.
      swiftSettings: safe + [.unsafeFlags(["-O"], .when(configuration: .debug))]),
    .target(
      name: "Kernels",
      dependencies: [
        "CPlatform", "KernelsAVX2", "KernelsAVX2VNNI", "KernelsAVX512", "KernelsAVX512VNNI", "Counters",
      ],
      swiftSettings: kernel),
    .target(
      name: "KernelsAVX2", dependencies: ["CPlatform"],
      swiftSettings: kernel("AVX2", features: ["avx2", "fma", "f16c"])),
    .target(
      name: "KernelsAVX512", dependencies: ["CPlatform"],
      swiftSettings: kernel(
        "AVX512",
        features: ["avx2", "fma", "f16c", "avx512f", "avx512vl", "avx512bw", "avx512dq"])),
    .target(
      name: "KernelsAVX2VNNI", dependencies: ["CPlatform"],
      swiftSettings: kernel("AVX2", features: ["avx2", "fma", "f16c", "avxvnni"]) + [.define("VNNI")]),
    .target(
      name: "KernelsAVX512VNNI", dependencies: ["CPlatform"],
      swiftSettings: kernel(
        "AVX512",
        features: ["avx2", "fma", "f16c", "avx512f", "avx512vl", "avx512bw", "avx512dq", "avx512vnni"])
        + [.define("VNNI")]),
    .target(name: "Counters", swiftSettings: safe + counters),
    .target(name: "CPlatform"),
    .target(
      name: "CCodecs",
      linkerSettings: [.linkedLibrary("jpeg"), .linkedLibrary("png16"), .linkedLibrary("webp")]),
    .testTarget(name: "KernelsTests", dependencies: ["Kernels", "CPlatform"]),
    .testTarget(name: "ImagingTests", dependencies: ["Imaging"]),
    .testTarget(name: "ONNXImportTests", dependencies: ["ONNXImport"]),
    .testTarget(name: "TokenizingTests", dependencies: ["Tokenizing"]),
    .testTarget(name: "DatasetsTests", dependencies: ["Datasets"]),
    .testTarget(name: "SwiftCLIPTests", dependencies: ["SwiftCLIP"]),
  ],
  swiftLanguageModes: [.v6]
)
