import Glibc
import Platform
import TestSupport
import Testing

/// A destination becomes the truth, and source and destination change places.
@Suite("Promote and reverse")
struct PromoteTests {
  enum Form: String, CaseIterable, Sendable { case directory, image }

  private static let page = 4096

  private func pair(_ bench: DaemonBench, _ form: Form, port: UInt16) -> String {
    let suffix = form == .image ? "/disk" : ""
    return bench.destination("data", volume: "copy\(suffix)", port: port)
      + """
      ---
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationSource
      metadata: {name: data}
      spec:
        sourcePVC: \(bench.path("source\(suffix)")) # by hand
        trigger: {manual: first}
        rsyncTLS: {copyMethod: Direct, keySecret: data, address: 127.0.0.1, port: \(port)}

      """
  }

  private func file(_ bench: DaemonBench, _ volume: String) -> [UInt8] {
    Array(bench.path("\(volume)/disk").utf8)
  }

  private func isEqual(_ bench: DaemonBench) throws -> Bool {
    try runProcess("cmp", ["-s", bench.path("source/disk"), bench.path("copy/disk")]).status == 0
  }

  /// Overwrites one page in a hundred; the bytes that were changed.
  private func change(
    _ bench: DaemonBench, _ volume: String, _ generator: inout SeededGenerator, sizeBytes: Int
  ) throws -> Int {
    let pageCount = sizeBytes / PromoteTests.page
    var pages: Set<Int> = []
    while pages.count < pageCount / 100 { pages.insert(generator.below(pageCount)) }
    let raw = open(bench.path("\(volume)/disk"), O_RDWR | O_CLOEXEC)
    guard raw >= 0 else { throw PlatformError.last("open") }
    let descriptor = Descriptor(owning: raw)
    for page in pages {
      let content = generator.bytes(PromoteTests.page)
      guard
        pwrite(descriptor.raw, content, content.count, off_t(page * PromoteTests.page))
          == content.count
      else { throw PlatformError.last("pwrite") }
    }
    return pages.count * PromoteTests.page
  }

  /// Both directions of the last session of the source.
  private func wireBytes(_ bench: DaemonBench) throws -> Int {
    let logs = try bench.field("rs/data", ".status.latestMoverStatus.logs")
    let line = logs.split(separator: "\n").first { $0.hasPrefix("wire:") } ?? ""
    return line.split(separator: ",").prefix(2).compactMap { Int($0.filter(\.isNumber)) }
      .reduce(0, +)
  }

  private func expectFenced(_ bench: DaemonBench, port: UInt16, generation: Int) throws {
    try bench.droverChecked("trigger", "rs/data", "--tag", "try-\(generation)")
    try bench.wait(for: "the fence") {
      try bench.field("rs/data", ".status.rsyncTLS.fenced").contains("generation \(generation)")
    }
    let shown = try bench.droverChecked("describe", "rs/data")
    #expect(shown.contains("Fenced:") && shown.contains("drover reverse"), "\(shown)")
    #expect(try bench.field("rs/data", ".status.conditions[0].reason") == "Error")
    // A hand with the key is refused as well.
    let result = try bench.send("source", to: port, key: "data")
    #expect(result.status == 5, "\(result.errorText)")
    #expect(result.errorText.contains("this source is fenced"), "\(result.errorText)")
    #expect(result.errorText.contains("of generation \(generation)"), "\(result.errorText)")
  }

  @Test("There and back, each way by delta, with kills in between", arguments: Form.allCases)
  func roundTrip(form: Form) throws {
    let bench = try DaemonBench(volumes: ["source", "copy"])
    let port = try freePort()
    var generator = SeededGenerator(seed: 11)
    let sizeBytes = SampledCounts.count(sampled: 32 << 20, full: 1 << 30)
    _ = try bench.makeKey("data.psk")
    for _ in 0..<(sizeBytes >> 22) {
      let raw = open(bench.path("source/disk"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
      let descriptor = Descriptor(owning: raw)
      try SmallFile.write(generator.bytes(4 << 20), to: descriptor.raw, subject: "disk")
    }
    if form == .image { try bench.write("copy/disk", "") }
    try bench.startDaemon()
    try bench.droverChecked("apply", "-f", "-", input: pair(bench, form, port: port))
    try bench.wait(for: "the first sync") {
      try bench.field("rs/data", ".status.lastManualSync") == "first"
    }
    #expect(try isEqual(bench))
    for generation in 2...3 {
      // The first way leads from the copy back, the second from the source again.
      let (truth, other) = generation == 2 ? ("copy", "source") : ("source", "copy")
      let text = try bench.droverChecked("promote", "rd/data")
      #expect(text.contains("promoted\nvolume: \(bench.path(truth))"), "\(text)")
      #expect(text.contains("generation \(generation)"), "\(text)")
      bench.killDaemon()
      #expect(try bench.droverChecked("promote", "data").contains("unchanged, promoted before"))
      try bench.startDaemon()
      try expectFenced(bench, port: port, generation: generation)
      let changed = try change(bench, truth, &generator, sizeBytes: sizeBytes)
      #expect(try !isEqual(bench))
      try bench.droverChecked("reverse", "data")
      if generation == 3 {
        bench.killDaemon()
        try bench.startDaemon()
      }
      try bench.wait(for: "the way back") {
        try isEqual(bench) && bench.field("rs/data", ".status.lastSyncStartTime").isEmpty
          && wireBytes(bench) > 0
      }
      #expect(try bench.field("rs/data", ".spec.sourcePVC").hasPrefix(bench.path(truth)))
      let into = try bench.field("rd/data", ".spec.rsyncTLS.destinationPVC")
      #expect(into.hasPrefix(bench.path(other)))
      #expect(try bench.field("rs/data", ".status.rsyncTLS.fenced").isEmpty)
      #expect(try bench.field("rd/data", ".status.rsyncTLS.promoted").isEmpty)
      let wire = try wireBytes(bench)
      #expect(Double(wire) <= 1.15 * Double(changed), "\(wire) for \(changed)")
      print("\(form) generation \(generation): \(wire) bytes on the wire for \(changed) changed")
    }
    bench.stopDaemon()
  }

  @Test("Each side by itself: the other's daemon knows nothing of it")
  func twoSides() throws {
    let (near, far) = (
      try DaemonBench(volumes: ["volume"]), try DaemonBench(volumes: ["volume"])
    )
    let (nearPort, farPort) = (try freePort(), try freePort())
    _ = try near.makeKey("data.psk")
    try far.write("data.psk", near.text("data.psk"))
    try near.write("volume/file", "first\n")
    try near.startDaemon()
    try far.startDaemon()
    try far.droverChecked(
      "apply", "-f", "-", input: far.destination("data", volume: "volume", port: farPort))
    let secret = near.destination("data", volume: "volume", port: nearPort)
      .split(separator: "---\n")[0]
    try near.droverChecked(
      "apply", "-f", "-",
      input: secret + """
        ---
        apiVersion: volsync.backube/v1alpha1
        kind: ReplicationSource
        metadata: {name: data}
        spec:
          sourcePVC: \(near.path("volume"))
          trigger: {manual: first}
          rsyncTLS: {copyMethod: Direct, keySecret: data, address: 127.0.0.1, port: \(farPort)}

        """)
    try near.wait(for: "the first sync") { far.text("volume/file") == "first\n" }
    #expect(try near.drover("reverse", "rs/data").status == 5)
    #expect(try far.drover("reverse", "data").errorText.contains("Promote it first"))
    try far.droverChecked("promote", "data")
    try far.write("volume/file", "written there\n")
    try near.write("volume/file", "never sent: fenced\n")
    try near.droverChecked("trigger", "rs/data", "--tag", "second")
    try near.wait(for: "the fence") {
      try !near.field("rs/data", ".status.rsyncTLS.fenced").isEmpty
    }
    #expect(far.text("volume/file") == "written there\n")
    #expect(try far.drover("reverse", "data").errorText.contains("--address"))
    let printed = try far.droverChecked("reverse", "data", "--address", "127.0.0.1:\(nearPort)")
    #expect(printed.contains("kind: ReplicationDestination"), "\(printed)")
    #expect(printed.contains("keySecret: data") && printed.contains(":\(nearPort)"), "\(printed)")
    try near.droverChecked("reverse", "rs/data", "--listen", "127.0.0.1:\(nearPort)")
    try near.wait(for: "the way back") { near.text("volume/file") == "written there\n" }
    // Back again: the ends of before are there still.
    try near.wait(for: "the end of the run") {
      try far.field("rs/data", ".status.lastSyncStartTime").isEmpty
    }
    try near.droverChecked("promote", "data")
    try near.write("volume/file", "third\n")
    try far.droverChecked("trigger", "rs/data", "--tag", "again")
    try far.wait(for: "the fence of that side") {
      try far.field("rs/data", ".status.rsyncTLS.fenced").contains("generation 3")
    }
    try near.droverChecked("reverse", "rd/data")
    try far.droverChecked("reverse", "rs/data")
    try near.wait(for: "the way there") { far.text("volume/file") == "third\n" }
    near.stopDaemon()
    far.stopDaemon()
  }

  @Test("A promotion can be undone: the old source is the truth again")
  func discarded() throws {
    let bench = try DaemonBench(volumes: ["source", "copy"])
    let port = try freePort()
    _ = try bench.makeKey("data.psk")
    try bench.write("source/file", "of the source\n")
    try bench.startDaemon()
    try bench.droverChecked("apply", "-f", "-", input: pair(bench, .directory, port: port))
    try bench.wait(for: "the first sync") { bench.text("copy/file") == "of the source\n" }
    #expect(try bench.drover("reverse", "data", "--discard").status == 5)
    try bench.wait(for: "its end") { try bench.drover("promote", "data").status == 0 }
    #expect(try bench.droverChecked("get", "rd", "data", "-o", "wide").contains("Promoted"))
    try bench.write("copy/file", "written after it\n")
    try expectFenced(bench, port: port, generation: 2)
    #expect(try bench.droverChecked("get", "rs", "data", "-o", "wide").contains("Fenced"))
    try bench.droverChecked("reverse", "data", "--discard", "--dry-run")
    #expect(bench.text("copy/file") == "written after it\n")
    try bench.droverChecked("reverse", "data", "--discard")
    try bench.wait(for: "the source's file") { bench.text("copy/file") == "of the source\n" }
    #expect(bench.text("source/file") == "of the source\n")
    #expect(try bench.field("rs/data", ".status.rsyncTLS.fenced").isEmpty)
    bench.stopDaemon()
  }

  @Test("What was cut short is not handed out as committed", arguments: Form.allCases)
  func cutShort(form: Form) throws {
    let bench = try DaemonBench(volumes: ["source", "copy"])
    let port = try freePort()
    var generator = SeededGenerator(seed: 5)
    _ = try bench.makeKey("data.psk")
    let suffix = form == .image ? "/disk" : ""
    let first = generator.bytes(1 << 20)
    try ByteFiles.write(file(bench, "source"), first)
    if form == .image { try bench.write("copy/disk", "") }
    try bench.startDaemon()
    try bench.droverChecked(
      "apply", "-f", "-", input: bench.destination("data", volume: "copy\(suffix)", port: port))
    try bench.wait(for: "the first sync") {
      try bench.send("source\(suffix)", to: port, key: "data").status == 0
    }
    try ByteFiles.write(file(bench, "source"), generator.bytes(1 << 20))
    if form == .directory {
      for number in 0..<40 { try bench.write("source/small\(number)", "small \(number)\n") }
    }
    let relation = "state/default/replicationdestination/data.relation.json"
    func startSender() throws -> ChildProcess {
      try ChildProcess(
        try DroverBinary.path,
        [
          "replicate", "send", "--connect", "127.0.0.1:\(port)", "--psk-file",
          bench.path("data.psk"), "--bwlimit", "64K", bench.path("source\(suffix)"),
        ])
    }
    var sender = try startSender()
    try bench.wait(for: "the session") {
      // At once after a run it may be told to come again.
      if !sender.isRunning {
        #expect(sender.wait() == 7, "\(sender.errorOutput.text)")
        sender = try startSender()
      }
      return form == .directory
        ? bench.text(relation).contains("openSession")
        : try ByteFiles.names(in: Array(bench.path("copy").utf8)).count > 1
    }
    if form == .directory {
      let refused = try bench.drover("promote", "data")
      #expect(refused.status == 5, "\(refused.errorText)")
      #expect(refused.errorText.contains("is under way, or was cut short"), "\(refused.errorText)")
    }
    bench.killDaemon()
    _ = sender.wait()
    try bench.startDaemon()
    if form == .directory {
      #expect(try bench.drover("promote", "data").status == 5)
      try bench.droverChecked("promote", "data", "--force")
    } else {
      try bench.droverChecked("promote", "data")
      #expect(try ByteFiles.read(file(bench, "copy")) == first)
      #expect(try ByteFiles.names(in: Array(bench.path("copy").utf8)).count == 1)
    }
    let late = try bench.send("source\(suffix)", to: port, key: "data")
    #expect(late.status == 5 && late.errorText.contains("fenced"), "\(late.errorText)")
    bench.stopDaemon()
  }

  @Test("Promote and reverse are whole after a kill at any moment")
  func kills() throws {
    let bench = try DaemonBench(volumes: ["source", "copy"])
    let port = try freePort()
    var generator = SeededGenerator(seed: 23)
    _ = try bench.makeKey("data.psk")
    try bench.write("source/file", "content\n")
    try bench.droverChecked("apply", "-f", "-", input: pair(bench, .directory, port: port))
    let volumes = Set([bench.path("source"), bench.path("copy")])
    for _ in 0..<SampledCounts.count(sampled: 6, full: 100) {
      for command in ["promote", "reverse"] {
        for _ in 0..<3 {
          let process = try ChildProcess(
            try DroverBinary.path, [command, "data", "--state", bench.state])
          usleep(UInt32(generator.below(60_000)))
          process.kill(SIGKILL)
          _ = process.wait()
        }
        let before = try bench.field("rs/data", ".spec.sourcePVC")
        let into = try bench.field("rd/data", ".spec.rsyncTLS.destinationPVC")
        // Each object has one of the volumes, and the two never the same.
        #expect(Set([before, into]) == volumes, "\(command): \(before), \(into)")
        let result = try bench.drover(command, "data")
        // One of those that were killed may have done it all.
        let isDone = result.status == 5 && result.errorText.contains("is not promoted")
        #expect(
          result.status == 0 || command == "reverse" && isDone, "\(command): \(result.errorText)")
      }
    }
    let names = try ByteFiles.names(in: Array(bench.state.utf8))
    #expect(!names.contains(Array("drover.exchange".utf8)))
    #expect(!names.contains { $0.starts(with: Array(".tmp-".utf8)) })
    try bench.startDaemon()
    let reads = try bench.field("rs/data", ".spec.sourcePVC")
    try ByteFiles.write(Array("\(reads)/file".utf8), Array("at last\n".utf8))
    try bench.droverChecked("trigger", "rs/data", "--tag", "last")
    try bench.wait(for: "the sync") {
      bench.text("source/file") == "at last\n" && bench.text("copy/file") == "at last\n"
    }
    bench.stopDaemon()
  }
}
