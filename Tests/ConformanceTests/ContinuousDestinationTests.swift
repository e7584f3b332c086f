import Glibc
import Platform
import TestSupport
import Testing

/// Destinations that are listened for during their runs and between them.
@Suite("Continuous destination")
struct ContinuousDestinationTests {
  @Test("Several destinations share a port, and between their runs nobody is refused")
  func sharedPort() throws {
    let bench = try DaemonBench(volumes: ["one", "two", "copy-one", "copy-two"])
    let port = try freePort()
    var objects = ""
    for name in ["one", "two"] {
      _ = try bench.makeKey("\(name).psk")
      try bench.write("\(name)/file", "of \(name)\n")
      objects += bench.destination(name, volume: "copy-\(name)", port: port)
    }
    try bench.startDaemon()
    try bench.droverChecked("apply", "-f", "-", input: objects)
    try bench.wait(for: "both") {
      try bench.field("rd/one", ".status.rsyncTLS.port") == "\(port)"
        && bench.field("rd/two", ".status.rsyncTLS.port") == "\(port)"
    }
    for number in 0..<SampledCounts.count(sampled: 6, full: 100) {
      let name = number.isMultiple(of: 3) ? "two" : "one"
      try bench.wait(for: "sync \(number)") {
        let result = try bench.send(name, to: port, key: name)
        guard result.status != 0 else { return true }
        // At once after a run: it says when to come again, and nothing else.
        #expect(result.status == 7 && result.errorText.contains("not ready"), "\(result.errorText)")
        #expect(result.errorText.contains("between two syncs"), "\(result.errorText)")
        return false
      }
    }
    #expect(bench.text("copy-one/file") == "of one\n")
    #expect(bench.text("copy-two/file") == "of two\n")
    bench.stopDaemon()
  }

  @Test("A source waits for a destination that is not to receive, and does not fail")
  func notReady() throws {
    let bench = try DaemonBench(volumes: ["source", "copy"])
    let port = try freePort()
    _ = try bench.makeKey("data.psk")
    try bench.write("source/file", "first\n")
    let source = """
      ---
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationSource
      metadata: {name: data}
      spec:
        sourcePVC: \(bench.path("source"))
        trigger: {manual: one}
        rsyncTLS: {copyMethod: Direct, keySecret: data, address: 127.0.0.1, port: \(port)}

      """
    let destination = bench.destination(
      "data", volume: "copy", port: port, spec: "trigger: {manual: one}")
    try bench.startDaemon()
    try bench.droverChecked("apply", "-f", "-", input: destination + source)
    try bench.wait(for: "the first sync") {
      try bench.field("rs/data", ".status.lastManualSync") == "one"
        && bench.field("rd/data", ".status.lastManualSync") == "one"
    }
    #expect(bench.text("copy/file") == "first\n")
    try bench.write("source/file", "second, and longer\n")
    try bench.droverChecked("trigger", "rs/data", "--tag", "two")
    try bench.wait(for: "the waiting") {
      try bench.field("rs/data", ".status.rsyncTLS.waitingFor").contains("manual trigger")
    }
    #expect(try bench.droverChecked("describe", "rs/data").contains("Waits For:"))
    #expect(bench.text("copy/file") == "first\n")
    // The time it was asked to wait is not waited out: the run is its own next attempt.
    try bench.droverChecked("trigger", "rd/data", "--tag", "two")
    try bench.wait(for: "the second sync") {
      try bench.field("rs/data", ".status.lastManualSync") == "two"
    }
    #expect(bench.text("copy/file") == "second, and longer\n")
    #expect(try bench.field("rs/data", ".status.rsyncTLS.waitingFor").isEmpty)
    #expect(try bench.field("rs/data", ".status.drover.failedRuns").isEmpty)
    try bench.droverChecked("pause", "rd/data")
    // The daemon takes a change up soon after it is stored.
    try bench.wait(for: "the pause") {
      let paused = try bench.send("source", to: port, key: "data")
      #expect(paused.status == 7, "\(paused.errorText)")
      return paused.errorText.contains("is paused")
    }
    bench.stopDaemon()
  }

  @Test("Silence, garbage, half a greeting and wrong keys neither delay others nor fill memory")
  func hostilePeers() throws {
    let bench = try DaemonBench(volumes: ["source", "copy"])
    let port = try freePort()
    _ = try bench.makeKey("data.psk")
    _ = try bench.makeKey("other.psk")
    try bench.write("source/file", "content\n")
    try bench.startDaemon()
    try bench.droverChecked(
      "apply", "-f", "-", input: bench.destination("data", volume: "copy", port: port))
    try bench.wait(for: "the port") { connectToLoopback(port: port) != nil }
    let before = try residentBytes(bench)
    var held: [SharedDescriptor] = []
    let starts: [[UInt8]] = [[], [22, 3, 1, 2, 0, 1, 0], [22, 3, 3, 64, 0] + [1, 0, 63, 252]]
    for number in 0..<SampledCounts.count(sampled: 400, full: 4000) {
      // The oldest of ours are let go by the daemon, not by us.
      if held.count >= 300 { held.removeFirst(100) }
      guard let peer = connectToLoopback(port: port) else { throw TestFailure("refused") }
      _ = sendAll(starts[number % starts.count][...], to: peer)
      held.append(peer)
      guard number.isMultiple(of: 50) else { continue }
      if let garbage = connectToLoopback(port: port) {
        _ = sendAll([UInt8](repeating: 0x55, count: 20_000)[...], to: garbage)
      }
      let wrong = try bench.send("source", to: port, key: "other")
      #expect(wrong.status == 6, "\(wrong.errorText)")
      let right = try bench.send("source", to: port, key: "data")
      let isLater = right.status == 7 && right.errorText.contains("between two syncs")
      #expect(right.status == 0 || isLater, "\(right.errorText)")
    }
    #expect(bench.text("copy/file") == "content\n")
    #expect(try residentBytes(bench) < before + 24 << 20)
    let descriptors = try DurableFile.names(
      in: "/proc/\(bench.daemon?.processID ?? 0)/fd", countMax: 4096)
    #expect(descriptors.count < 200, "\(descriptors.count)")
    #expect(bench.daemonLog.contains("refused a peer"))
    bench.stopDaemon()
  }

  @Test("VolSync's own source fills it, one run after the other")
  func stockSource() throws {
    let stock = try StockBench()
    let bench = try DaemonBench(volumes: ["copy"])
    let port = try freePort()
    try bench.write(
      "data.psk",
      try String(
        decoding: SmallFile.read(stock.keyFile, sizeBytesMax: 4096), as: UTF8.self))
    try bench.startDaemon()
    try bench.droverChecked(
      "apply", "-f", "-", input: bench.destination("data", volume: "copy", port: port))
    try bench.wait(for: "the port") { connectToLoopback(port: port) != nil }
    let source = try stock.stockSource(to: port)
    for content in ["first\n", "second, and longer\n"] {
      try stock.write(stock.source, "file", content)
      // Its own repetition is a loop around this.
      try bench.wait(for: "the run") { try source.run().isDone }
      #expect(bench.text("copy/file") == content)
    }
    bench.stopDaemon()
  }

  private func residentBytes(_ bench: DaemonBench) throws -> Int {
    let text = try String(
      decoding: SmallFile.read(
        "/proc/\(bench.daemon?.processID ?? 0)/status", sizeBytesMax: 1 << 16), as: UTF8.self)
    let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
    return (line.flatMap { Int($0.filter(\.isNumber)) } ?? 0) << 10
  }
}
