import Glibc
import Platform

/// The program under test.
package enum DroverBinary {
  /// `DROVER_BINARY`, or the executable `drover` that stands beside the test bundle.
  package static var path: String {
    get throws {
      if let path = environmentValue("DROVER_BINARY") { return path }
      for directory in buildDirectories() {
        let candidate = "\(directory)/drover"
        if access(candidate, X_OK) == 0 { return candidate }
      }
      throw TestFailure(
        "no drover executable beside the test bundle; build it first, or set DROVER_BINARY")
    }
  }

  private static func buildDirectories() -> [String] {
    var bundles: [String] = []
    let arguments = CommandLine.arguments
    if let index = arguments.firstIndex(of: "--test-bundle-path"), index + 1 < arguments.count {
      bundles.append(arguments[index + 1])
    }
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    if count > 0 {
      bundles.append(
        String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }
    return bundles.map { bundle in
      var parts = bundle.split(separator: "/", omittingEmptySubsequences: false)
      parts.removeLast()
      return parts.joined(separator: "/")
    }
  }
}
