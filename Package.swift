// swift-tools-version: 6.2
import PackageDescription

// Built and run by `make test`; clients do not build them. One folder of Examples each.
let examples = [
  "Spiral", "Moons", "Pendulum", "Chain", "DrivenPendulum", "DoublePendulum", "Joints", "RigidBody",
  "Reaching", "Integrator", "Film", "Crossing", "Tide", "Discovery", "Populations",
]

let package = Package(
  name: "NODECore",
  products: [
    .library(name: "NODECore", targets: ["NODECore"])
  ],
  targets: [
    // System libraries: pkg-config finds them, the providers say how to install them.
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas",
      providers: [.apt(["libopenblas-dev"]), .brew(["openblas"])]),
    .systemLibrary(
      name: "CLAPACKE", pkgConfig: "lapacke",
      providers: [.apt(["liblapacke-dev"]), .brew(["lapack"])]),
    // Every hot loop. No unsafe flags: instruction sets are chosen by attributes and at run time.
    .target(
      name: "CKernels",
      dependencies: ["COpenBLAS", "CLAPACKE"],
      cSettings: [.define("NDEBUG", .when(configuration: .release))]),
    .target(name: "NODECore", dependencies: ["CKernels"]),
    .testTarget(name: "CKernelsTests", dependencies: ["CKernels"]),
    // Interposes malloc, so that tests can count allocations.
    .target(name: "AllocationCounter", path: "Tests/AllocationCounter"),
    // Random programs and what they have to give: the oracles of the tests, and what `make fuzz` runs for longer.
    .target(name: "ProgramFuzzing", dependencies: ["NODECore", "CKernels"], path: "Tests/ProgramFuzzing"),
    .executableTarget(name: "fuzz-programs", dependencies: ["ProgramFuzzing"], path: "Tests/FuzzPrograms"),
    .testTarget(
      name: "NODECoreTests", dependencies: ["NODECore", "CKernels", "AllocationCounter", "ProgramFuzzing"]),
  ]
    + examples.map { .executableTarget(name: $0, dependencies: ["NODECore"], path: "Examples/\($0)") },
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c17
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
