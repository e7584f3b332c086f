import ArgumentParser
import Manifests
import Observation
import Platform
import Transport

/// Where a daemon shows its metrics.
struct MetricsOptions: ParsableArguments {
  @Option(
    name: .customLong("metrics-address"),
    help: ArgumentHelp(
      "Show metrics at http://ADDRESS/metrics: HOST:PORT, or PORT for this machine alone.",
      valueName: "address"))
  var address: String?

  @Option(
    name: .customLong("metrics-file"),
    help: ArgumentHelp(
      "Keep metrics in a file for the node exporter's textfile collector: DIR/drover.prom.",
      valueName: "file"))
  var file: String?

  func validate() throws {
    if let address, MetricsOptions.endpoint(address) == nil {
      throw ValidationError(
        "--metrics-address is PORT or HOST:PORT, for instance 9184 or 0.0.0.0:9184, not \(address)")
    }
    if let file, file.isEmpty || file.hasSuffix("/") {
      throw ValidationError("--metrics-file is the path of a file")
    }
  }

  /// What the daemon tells of; nil when nobody would see it.
  var register: MetricsRegister? {
    guard address != nil || file != nil else { return nil }
    return MetricsRegister(version: droverVersion, started: .now())
  }

  /// Loopback for a port alone; other machines see the metrics only when that is asked for.
  static func endpoint(_ text: String) -> Endpoint? {
    let port = text.hasPrefix(":") ? text.dropFirst() : text[...]
    if !port.isEmpty, port.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
      return UInt16(port).map { Endpoint(host: "127.0.0.1", port: $0) }
    }
    return HostPort(text).map { address in
      let isAny = address.host == "*" || address.host == "::"
      return Endpoint(host: isAny ? "" : address.host, port: address.port)
    }
  }

  func open(
    _ register: MetricsRegister?, log: @escaping @Sendable (String) -> Void
  ) throws -> MetricsOutlets {
    var outlets = MetricsOutlets()
    guard let register else { return outlets }
    if let endpoint = address.flatMap(MetricsOptions.endpoint) {
      let server = try MetricsServer(on: endpoint) { register.text(at: .now()) }
      log("metrics at http://\(server.address)/metrics")
      outlets.server = server
    }
    if let file {
      outlets.file = try MetricsFile(file, register) {
        log("the metrics file cannot be written: \($0.description)")
      }
    }
    return outlets
  }
}

/// What shows metrics while the daemon runs.
struct MetricsOutlets {
  fileprivate(set) var server: MetricsServer?
  fileprivate(set) var file: MetricsFile?

  func stop() {
    server?.stop()
    file?.stop()
  }
}
