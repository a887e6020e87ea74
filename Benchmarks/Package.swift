// swift-tools-version: 6.2
// The benchmark runner is a package of its own, so that clients of the library never resolve what it depends on.
import PackageDescription

let package = Package(
  name: "Benchmarks",
  dependencies: [
    .package(name: "NODECore", path: ".."),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
  ],
  targets: [
    .systemLibrary(
      name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]),
    .target(
      name: "RunnerSupport", dependencies: ["CZlib", .product(name: "NODECore", package: "NODECore")]),
    // Counted allocations, yardsticks, regions for callgrind.
    .target(name: "CMeasure"),
    .target(
      name: "PerformanceCheck",
      dependencies: ["CMeasure", "RunnerSupport", .product(name: "NODECore", package: "NODECore")]),
    .executableTarget(
      name: "nde-bench",
      dependencies: [
        "RunnerSupport", "PerformanceCheck", .product(name: "NODECore", package: "NODECore"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    // A script that uses nothing but the library: what `nde-bench growth` starts.
    .executableTarget(
      name: "first-gradient", dependencies: [.product(name: "NODECore", package: "NODECore")]),
    // What `make fuzz` runs on the readers of files.
    .target(
      name: "LoaderFuzzing",
      dependencies: ["CZlib", "RunnerSupport", .product(name: "NODECore", package: "NODECore")]),
    .executableTarget(
      name: "fuzz-loaders",
      dependencies: ["LoaderFuzzing", .product(name: "ArgumentParser", package: "swift-argument-parser")]),
    .testTarget(name: "LoaderFuzzingTests", dependencies: ["LoaderFuzzing"]),
    .testTarget(name: "RunnerSupportTests", dependencies: ["RunnerSupport"]),
    .testTarget(
      name: "PerformanceCheckTests", dependencies: ["PerformanceCheck", "CMeasure", "RunnerSupport"]),
    .testTarget(name: "RunnerTests", dependencies: ["nde-bench", "RunnerSupport"]),
  ],
  swiftLanguageModes: [.v6]
)

// CI: warnings are errors.
if Context.environment["STRICT"] != nil {
  for target in package.targets where target.type != .system {
    target.swiftSettings = (target.swiftSettings ?? []) + [.treatAllWarnings(as: .error)]
    target.cSettings =
      (target.cSettings ?? []) + [
        .enableWarning("all"), .enableWarning("extra"), .treatAllWarnings(as: .error),
      ]
  }
}
