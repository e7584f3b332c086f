import Glibc
import Platform
import TestSupport
import Testing

/// Copies of volumes, by the program itself and with real movers.
@Suite struct VolumeProcessTests {
  @Test func aCopyOfAVolumeIsBackedUpAndGoesAway() throws {
    let bench = try MoverBench()
    let text = bench.source().replacing("Direct", with: "Clone")
    let outcome = try bench.runChecked(text)
    #expect(outcome.log.contains("reading a copy of \(bench.volume): copy, not atomic"))
    let copy = outcome.source?["drover"]?["copy"]
    #expect(copy?["consistency"]?.stringValue == "not atomic")
    let place = "\(bench.repo.directory.path)/.drover-copies"
    #expect(try DurableFile.names(in: place, countMax: 9) == [])
    try bench.runChecked(bench.destination())
    let differences = try runProcess(
      "diff", ["-r", "--exclude=lost+found", "--no-dereference", bench.volume, bench.restored])
    #expect(differences.outputText == "")
  }

  /// On a volume that is the root of a file system images stand within it, and a sender that
  /// deletes what it has not leaves them alone.
  @Test func imagesWithinAVolumeOutliveRuns() throws {
    let mount = try LoopMount(.xfs, sizeBytes: 300 << 20)
    let trees = try TemporaryDirectory()
    let source = try trees.makeDirectory("source")
    let text = """
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationDestination
      metadata: {name: d, annotations: {drover.internal/image-retain: '2'}}
      spec:
        trigger: {manual: a}
        rsyncTLS: {copyMethod: Snapshot, destinationPVC: '\(mount.path)'}
      ---
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationSource
      metadata: {name: s}
      spec:
        trigger: {manual: a}
        sourcePVC: '\(source)'
        rsyncTLS: {copyMethod: Direct}

      """
    for round in 1...3 {
      try DurableFile.replace("file", in: source, with: Array("\(round)".utf8), mode: 0o644)
      let result = try runProcess(
        try DroverBinary.path, ["run", "-f", "-", "--once", "-o", "yaml"],
        stdin: Array(text.utf8), timeoutSeconds: 120)
      #expect(result.status == 0, "\(result.errorText)")
      // By the release build, too: what shares extents is found out there.
      #expect(result.outputText.contains("method: reflink"), "\(result.outputText)")
      #expect(result.outputText.contains("consistency: per file"))
    }
    let place = "\(mount.path)/.drover-copies"
    let images = try DurableFile.names(in: place, countMax: 99).filter { !$0.hasSuffix(".image") }
    #expect(images.count == 2)
    let contents = try images.map {
      String(
        decoding: try SmallFile.read("\(place)/\($0)/file", sizeBytesMax: 9), as: UTF8.self)
    }
    #expect(contents == ["2", "3"])
    for image in images {
      #expect(try DurableFile.names(in: "\(place)/\(image)", countMax: 9) == ["file"])
    }
  }
}
