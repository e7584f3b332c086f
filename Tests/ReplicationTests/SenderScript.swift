import Cryptography
import DeltaCoding
import FileTree
import Platform
import TestSupport
import Testing

@testable import Replication

/// What a sender says, in pieces that a test can put together wrongly.
final class SenderScript {
  let peer: ScriptedPeer
  private var digester: TreeDigester
  private(set) var directoryCount: UInt32 = 0

  init(_ peer: ScriptedPeer) throws {
    self.peer = peer
    digester = try TreeDigester()
    digester.add(path: [], digest: try Self.digest([SenderGreeting.rootBytes]))
  }

  static func digest(_ entries: [[UInt8]]) throws -> [UInt8] {
    let digest = try ListDigest()
    for entry in entries { entry.withUnsafeBytes { digest.update($0) } }
    return digest.finish()
  }

  static func announcement(
    _ path: [UInt8], _ digest: [UInt8], shared: Int = 0, flags: UInt8 = 0
  ) -> [UInt8] {
    let head = [flags] + little(UInt16(shared)) + little(UInt16(path.count - shared))
    return frame(.directories, head + path[shared...] + digest)
  }

  /// Announces a directory with these entries; gives the frame without sending it.
  func announcement(_ path: String, _ entries: [EntryBytes]) throws -> [UInt8] {
    let digest = try Self.digest(entries.map(\.encoded))
    digester.add(path: Array(path.utf8), digest: digest)
    directoryCount += 1
    return Self.announcement(Array(path.utf8), digest)
  }

  func announce(_ path: String, _ entries: [EntryBytes]) throws {
    try peer.send(try announcement(path, entries))
  }

  static func list(_ number: UInt32, _ entries: [EntryBytes], isLast: UInt8 = 1) -> [UInt8] {
    frame(.list, little(number) + [isLast] + entries.flatMap(\.encoded))
  }

  /// Announces a directory, waits until it is asked for, and lists it.
  func give(_ path: String, _ entries: [EntryBytes]) throws {
    let number = directoryCount
    try announce(path, entries)
    try peer.await(.want)
    try peer.send(Self.list(number, entries))
  }

  func walkEndFrame() -> [UInt8] {
    let totals = [UInt8](repeating: 0, count: 24)
    return frame(.walkEnd, little(directoryCount) + totals + [0] + digester.finish())
  }

  /// Ends the walk and the run, as an honest sender does.
  func endRun() throws {
    try peer.send(walkEndFrame())
    try peer.await(.acknowledgement)
    try peer.send(frame(.goodbye, []))
    peer.leave()
  }

  static func end(
    _ outcome: FileEnd.Outcome, sizeBytes: Int64, hash: UInt64 = 0
  ) -> [UInt8] {
    [outcome.rawValue] + little(sizeBytes) + little(Int64(1_700_000_000)) + little(UInt32(0))
      + little(hash)
  }

  static func file(_ request: UInt32, _ content: [UInt8]) -> [UInt8] {
    let hash = content.withUnsafeBytes { XXH3.hash64($0) }
    let head = little(request) + end(.complete, sizeBytes: Int64(content.count), hash: hash)
    return frame(.file, head + content)
  }

  static func data(_ request: UInt32, _ offset: Int64, _ content: [UInt8]) -> [UInt8] {
    frame(.data, little(request) + little(offset) + content)
  }

  static func segmentEnd(
    _ request: UInt32, _ segment: UInt32, _ outcome: FileEnd.Outcome = .complete,
    proof: [UInt8] = [UInt8](repeating: 1, count: 16)
  ) -> [UInt8] {
    frame(.segmentEnd, little(request) + little(segment) + [outcome.rawValue] + proof)
  }

  static func fileEnd(_ request: UInt32, _ end: [UInt8]) -> [UInt8] {
    frame(.fileEnd, little(request) + end)
  }
}
