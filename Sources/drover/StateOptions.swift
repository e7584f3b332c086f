import ArgumentParser
import Control
import Manifests
import Movers
import Platform
import StateStore

/// Which state directory, and which namespace: options of every command that works on objects.
struct StateOptions: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "The state directory [$DROVER_STATE; /var/lib/drover, or drover/objects in $XDG_STATE_HOME"
        + " when not root].", valueName: "dir"))
  var state: String?

  @Option(name: .shortAndLong, help: "The namespace of objects that name none [default].")
  var namespace: String?

  /// - Throws: ``StateError`` when there is no place for it.
  func path() throws -> String {
    guard let path = StatePath.standard(option: state) else {
      throw ValidationError("there is no home directory: name the state directory with --state")
    }
    return path
  }

  /// Who is asked: the daemon, or the files when none runs.
  func client() throws -> StateClient {
    let path = try path()
    return StateClient(
      path: path,
      check: ControlDaemon.check(
        served: MoverRegistry<MoverRequest>.standard().sections,
        cacheDirectory: RepoCache.standardPath, volumeRoot: ControlDaemon.volumeRoot(of: path)))
  }

  /// The key of a replication that is named alone: a source, or else a destination.
  func replication(_ name: String, _ client: StateClient) throws -> ObjectKey {
    let parts = name.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    if parts.count == 2 { return try key(kind: parts[0], name: parts[1]) }
    let keys = [ReplicationSource.kind, ReplicationDestination.kind].map {
      ObjectKey(kind: $0, namespace: namespace ?? "default", name: name)
    }
    var found: [ObjectKey] = []
    for key in keys {
      do throws(StateError) {
        _ = try client.object(key)
        found.append(key)
      } catch {
        if case .noDirectory = error { throw error }
        guard error.kind == .notFound else { throw error }
      }
    }
    guard let key = found.first else {
      throw StateError.notFound(resource: ReplicationSource.resourceName, name: name)
    }
    guard found.count == 1 else {
      throw ValidationError(
        "there is a source and a destination \(name): write rs/\(name) or rd/\(name)")
    }
    return key
  }

  /// The key that a kind, as people call it, and a name stand for.
  func key(kind word: String, name: String) throws -> ObjectKey {
    let registry = KindRegistry.standard
    guard let type = registry.type(called: word) else {
      throw StateError.noKind(word, suggestion: nearest(to: word, in: registry.callableNames))
    }
    return ObjectKey(
      kind: type.uniqueKind, namespace: type.isNamespaced ? namespace ?? "default" : nil, name: name
    )
  }
}

extension ObjectChange {
  /// `replicationsource.volsync.backube/data created`, as kubectl says it.
  var resultText: String { "\(key.resultName) \(outcome.rawValue)" }
}

extension ObjectKey {
  /// `replicationsource.volsync.backube/data`.
  var resultName: String {
    "\(KindRegistry.standard[kind]?.resultName ?? kind.lowercased())/\(name)"
  }
}
