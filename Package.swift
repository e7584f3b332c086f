// swift-tools-version: 6.2
import PackageDescription

// Targets stand bottom-up, one block per layer. A target imports only from the layers below it,
// plus the edges that `tools/tidy` lists; a second check is
// `--explicit-target-dependency-import-check`.

let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .treatAllWarnings(as: .error),
]
let wrapperSettings = settings + [.strictMemorySafety()]
let testSettings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

let argumentParser: Target.Dependency = .product(
  name: "ArgumentParser", package: "swift-argument-parser")

func swift(
  _ name: String, _ dependencies: [Target.Dependency] = [], settings: [SwiftSetting] = settings
) -> Target {
  .target(
    name: name, dependencies: dependencies, exclude: documentation(of: name),
    swiftSettings: settings)
}

func documentation(of name: String) -> [String] {
  ["\(name).docc"]
}

func tests(of name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .testTarget(
    name: "\(name)Tests",
    dependencies: [.target(name: name), "TestSupport"] + dependencies,
    swiftSettings: testSettings)
}

let package = Package(
  name: "drover",
  products: [
    .executable(name: "drover", targets: ["drover"]),
    .executable(name: "drover-benchmarks", targets: ["drover-benchmarks"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    // 0: C
    .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "CLibrsync", providers: [.apt(["librsync-dev"])]),
    .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
    .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
    .systemLibrary(
      name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
    .systemLibrary(name: "CXML", pkgConfig: "libxml-2.0", providers: [.apt(["libxml2-dev"])]),
    .target(name: "CPlatform"),
    .target(name: "CMD5"),
    .target(name: "CSHA256"),
    .target(name: "CJSON", linkerSettings: [.linkedLibrary("simdjson")]),

    // 1: the machine
    swift("Platform", ["CPlatform"]),
    swift(
      "Cryptography", ["Platform", "COpenSSL", "CXXHash", "CMD5", "CSHA256"],
      settings: wrapperSettings),
    swift("Compression", ["Platform", "CZstd"], settings: wrapperSettings),
    swift("Pipelines", ["Platform"]),

    // 2: parts
    swift("FileTree", ["Platform", "Pipelines", "Cryptography"]),
    swift("TreeComparison", ["FileTree", "Platform", "Pipelines", "Cryptography"]),
    swift(
      "DeltaCoding", ["Platform", "Pipelines", "Cryptography", "CLibrsync"],
      settings: wrapperSettings),
    swift("Transport", ["Platform", "Pipelines", "COpenSSL"], settings: wrapperSettings),
    swift("Chunking", ["Platform", "Pipelines"]),
    swift("HTTPClient", ["Platform", "CCurl"], settings: wrapperSettings),
    swift("ObjectStorage", ["HTTPClient", "Platform", "Pipelines", "Cryptography", "CXML"]),
    swift("Remotes", ["Platform", "Cryptography"]),

    // 3: engines
    swift(
      "Replication",
      [
        "FileTree", "TreeComparison", "DeltaCoding", "Transport", "Platform", "Pipelines",
        "Cryptography", "Compression",
      ]),
    swift(
      "BackupRepository",
      [
        "FileTree", "Chunking", "ObjectStorage", "Platform", "Pipelines", "Cryptography",
        "Compression", "CJSON",
      ]),
    swift(
      "ObjectMirror",
      [
        "Remotes", "ObjectStorage", "HTTPClient", "FileTree", "TreeComparison", "Platform",
        "Pipelines", "Cryptography",
      ]),

    // 4: control
    swift("Triggers", ["Platform"]),
    swift("Manifests", ["Triggers", "Platform", "CYAML"]),
    swift("Control", ["Manifests", "Platform"]),
    swift("Volumes", ["Manifests", "FileTree", "Platform"]),
    swift("StateStore", ["Manifests", "Platform"]),
    swift("Supervision", ["Control", "Platform"]),
    swift("Presentation", ["Manifests", "Platform"]),
    swift(
      "Observation",
      ["Control", "StateStore", "Manifests", "Transport", "HTTPClient", "Platform"]),

    // 5: movers
    swift(
      "Movers",
      [
        "Control", "Triggers", "Manifests", "Volumes", "StateStore", "Supervision", "Observation",
        "Replication", "BackupRepository", "ObjectMirror", "Remotes", "ObjectStorage", "Transport",
        "Platform", "Pipelines",
      ]),

    // 6: process
    .executableTarget(
      name: "drover",
      dependencies: [
        "Movers", "Control", "Manifests", "Volumes", "StateStore", "Supervision", "Presentation",
        "Observation", "Replication",
        "BackupRepository", "ObjectMirror", "Remotes", "ObjectStorage", "HTTPClient",
        "TreeComparison", "DeltaCoding",
        "FileTree", "Transport", "Compression", "Cryptography", "Pipelines", "Platform",
        argumentParser,
      ],
      swiftSettings: settings),

    .executableTarget(
      name: "drover-benchmarks",
      dependencies: [
        "Replication", "FileTree", "Transport", "Chunking", "Compression", "Cryptography",
        "DeltaCoding", "Pipelines", "Platform",
      ],
      path: "Benchmarks",
      exclude: ["Thresholds", "README.md", "daemon-scale", "mirror-stalled", "volume-images"],
      swiftSettings: settings),

    // Tests
    .executableTarget(
      name: "daemon-under-test",
      dependencies: [
        "Movers", "Control", "Manifests", "StateStore", "Supervision", "Platform",
      ],
      path: "Tests/DaemonUnderTest", swiftSettings: testSettings),
    .target(
      name: "TestSupport", dependencies: ["Platform", "CPlatform"],
      path: "Tests/TestSupport", swiftSettings: testSettings),
    tests(of: "Platform"),
    tests(of: "Cryptography", ["Platform"]),
    tests(of: "Compression", ["Platform"]),
    tests(of: "Pipelines", ["Platform"]),
    tests(of: "FileTree", ["Platform"]),
    tests(of: "TreeComparison", ["FileTree", "Platform"]),
    tests(of: "DeltaCoding", ["Cryptography", "Platform"]),
    tests(of: "Transport", ["Platform"]),
    tests(of: "Replication", ["FileTree", "Transport", "Pipelines", "Cryptography", "Platform"]),
    tests(of: "Chunking", ["Cryptography", "Platform"]),
    tests(of: "HTTPClient", ["Platform"]),
    tests(of: "ObjectStorage", ["HTTPClient", "Platform"]),
    tests(of: "Remotes", ["Platform"]),
    tests(
      of: "ObjectMirror", ["Remotes", "ObjectStorage", "HTTPClient", "FileTree", "Platform"]),
    tests(
      of: "BackupRepository",
      ["ObjectStorage", "FileTree", "Chunking", "Compression", "Cryptography", "Platform"]),
    tests(of: "Triggers", ["Platform"]),
    tests(of: "Manifests", ["Triggers", "Platform"]),
    tests(of: "Control", ["Triggers", "Manifests", "Platform"]),
    tests(of: "Volumes", ["Manifests", "Platform"]),
    tests(of: "StateStore", ["Manifests", "Platform"]),
    tests(of: "Presentation", ["Manifests", "Platform"]),
    tests(
      of: "Observation",
      ["Control", "StateStore", "Manifests", "Transport", "HTTPClient", "Platform"]),
    tests(
      of: "Movers",
      [
        "Control", "Manifests", "StateStore", "Supervision", "Volumes", "Replication",
        "BackupRepository", "ObjectMirror", "Platform", "daemon-under-test",
      ]),
    .testTarget(
      name: "droverTests",
      dependencies: [
        "drover", "Replication", "ObjectMirror", "FileTree", "Platform", argumentParser,
      ],
      swiftSettings: testSettings),
    .testTarget(
      name: "ConformanceTests", dependencies: ["TestSupport", "Platform"],
      swiftSettings: testSettings),
    .testTarget(
      name: "TestSupportTests", dependencies: ["TestSupport", "Platform"],
      swiftSettings: testSettings),
    .testTarget(name: "TidyTests", dependencies: ["TestSupport"], swiftSettings: testSettings),
  ]
)
