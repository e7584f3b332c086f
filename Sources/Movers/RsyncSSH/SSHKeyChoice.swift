import Glibc
import Manifests
import Platform
import Transport

/// The fields of a Secret with ssh keys (VolSync reference 6.2), and what each end needs.
struct SSHKeys: Sendable {
  var source: [UInt8]
  var sourcePublic: [UInt8]
  var destination: [UInt8]
  var destinationPublic: [UInt8]

  /// The fields of a Secret; of all when none are named.
  func data(_ names: [String]?) -> [String: [UInt8]] {
    let all = [
      "source": source, "source.pub": sourcePublic, "destination": destination,
      "destination.pub": destinationPublic,
    ]
    guard let names else { return all }
    return all.filter { names.contains($0.key) }
  }

  static let sourceFields = ["source", "source.pub", "destination.pub"]
  static let destinationFields = ["destination", "destination.pub", "source.pub"]
}

/// Which ssh keys each end of a run uses: those of a named Secret; those of a Secret of the files
/// under the names that VolSync generates; or fresh ones, when both ends are in the files.
struct SSHKeyChoice {
  /// VolSync's names, for an object of direction `src` or `dst`: all keys, then those for a source
  /// and for a destination.
  struct Names {
    let main: String
    let source: String
    let destination: String

    init(_ direction: String, _ object: String) {
      main = "volsync-rsync-\(direction)-main-\(object)"
      source = "volsync-rsync-\(direction)-src-\(object)"
      destination = "volsync-rsync-\(direction)-dest-\(object)"
    }
  }

  /// What one end has: its private key and the other end's public one.
  struct Pair: Sendable {
    var key: [UInt8] = []
    var peerKey: [UInt8] = []
  }

  private let set: ManifestSet

  init(_ set: ManifestSet) { self.set = set }

  /// The keys of a source; nil when the files have none.
  func ofSource(_ section: RsyncSection, _ object: some Replication) -> Pair? {
    let names = Names("src", object.metadata.name)
    return find(
      named: section.sshKeys?.value, or: [names.main, names.source], of: object, "source",
      "destination.pub")
  }

  func ofDestination(_ section: RsyncSection, _ object: some Replication) -> Pair? {
    let names = Names("dst", object.metadata.name)
    return find(
      named: section.sshKeys?.value, or: [names.main, names.destination], of: object, "destination",
      "source.pub")
  }

  private func find(
    named name: String?, or generated: [String], of object: some Replication, _ own: String,
    _ peer: String
  ) -> Pair? {
    for candidate in name.map({ [$0] }) ?? generated {
      let secret = set.find(Secret.self, candidate, in: object.metadata.namespace)
      guard let data = secret?.data, let key = data[own]?.value, let peerKey = data[peer]?.value
      else { continue }
      return Pair(key: key, peerKey: peerKey)
    }
    return nil
  }

  /// New keys as VolSync's: RSA of 4096 bits, no comment, no passphrase. Calls `ssh-keygen`.
  static func generate() throws -> SSHKeys {
    guard let program = SystemProgram.find("ssh-keygen") else {
      throw TransportError.programMissing("ssh-keygen", package: "openssh-client")
    }
    let directory = try PrivateDirectory("keys")
    func make(_ name: String) throws -> (own: [UInt8], public: [UInt8]) {
      let file = "\(directory.path)/\(name)"
      let (_, ending) = try CommandOutput.run(
        [program, "-q", "-t", "rsa", "-b", "4096", "-N", "", "-C", "", "-f", file],
        sizeBytesMax: 1 << 16)
      guard ending == .exited(code: 0) else {
        throw TransportError.library(call: "ssh-keygen", reason: "\(ending)")
      }
      let sizeBytesMax = 64 << 10
      return (
        try SmallFile.read(file, sizeBytesMax: sizeBytesMax),
        try SmallFile.read("\(file).pub", sizeBytesMax: sizeBytesMax)
      )
    }
    let (source, destination) = (try make("source"), try make("destination"))
    return SSHKeys(
      source: source.own, sourcePublic: source.public, destination: destination.own,
      destinationPublic: destination.public)
  }
}
