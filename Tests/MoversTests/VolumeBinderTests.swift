import Glibc
import Manifests
import Platform
import TestSupport
import Testing
import Volumes

private func set(_ text: String) throws -> ManifestSet {
  try ManifestLoader().decode([("v.yaml", Array(text.utf8))])
}

private func source(_ claim: String) -> String {
  """
  apiVersion: volsync.backube/v1alpha1
  kind: ReplicationSource
  metadata: {name: s}
  spec: {sourcePVC: \(claim), rsyncTLS: {copyMethod: Direct}}

  """
}

private func claim(_ fields: String) -> String {
  "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c}\nspec: {\(fields)}\n"
}

private func volume(_ fields: String, name: String = "v") -> String {
  "---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {name: \(name)}\nspec: {\(fields)}\n"
}

private func bind(_ text: String) throws -> BoundVolume {
  let set = try set(text)
  let source = try #require(set.all(ReplicationSource.self).first)
  return try VolumeBinder(set).bind(source: source)
}

private func message(_ text: String) throws -> String {
  do {
    let bound = try bind(text)
    return "bound to \(bound.path)"
  } catch let error as VolumeError {
    return error.message
  }
}

@Suite struct VolumeBinderTests {
  private let directory: TemporaryDirectory
  private let image: String

  init() throws {
    directory = try TemporaryDirectory()
    image = directory.path("image")
    let raw = open(image, O_CREAT | O_WRONLY, 0o600)
    try #require(raw >= 0)
    close(raw)
  }

  @Test func anAbsolutePathIsAVolume() throws {
    #expect(
      try bind(source(directory.path))
        == BoundVolume(path: directory.path, form: .directory, claim: nil))
    #expect(try bind(source(image)).form == .rawImage)
    #expect(try bind(source(image)).mode == .block)
  }

  @Test(arguments: ["hostPath", "local"])
  func aClaimLeadsToItsVolume(kind: String) throws {
    let text = source("c") + claim("volumeName: v") + volume("\(kind): {path: \(directory.path)}")
    let bound = try bind(text)
    #expect(bound.path == directory.path)
    #expect(
      bound.claim == ObjectKey(kind: "PersistentVolumeClaim", namespace: "default", name: "c"))
  }

  @Test func aVolumeMayNameItsClaim() throws {
    let text =
      source("c") + claim("accessModes: [ReadWriteOnce]")
      + volume("hostPath: {path: \(directory.path)}, claimRef: {name: c}")
    #expect(try bind(text).path == directory.path)
    let twice = text + volume("hostPath: {path: /}, claimRef: {name: c}", name: "w")
    #expect(try message(twice).contains("several PersistentVolumes: v, w"))
  }

  @Test func aRawImageIsABlockVolume() throws {
    let text =
      source("c") + claim("volumeName: v, volumeMode: Block")
      + volume("hostPath: {path: \(image), type: File}, volumeMode: Block")
    #expect(try bind(text).form == .rawImage)
  }

  @Test func refusesWhatDoesNotFit() throws {
    let here = "hostPath: {path: \(directory.path)}"
    let cases: [(String, String)] = [
      (source("/nowhere/at/all"), "does not exist"),
      (source("/dev/null"), "is something else"),
      (source("\(image)/below"), "Not a directory"),
      (source("c"), "no PersistentVolumeClaim \"c\""),
      (source("c") + claim("volumeName: v"), "no PersistentVolume \"v\""),
      (source("c") + claim("accessModes: [ReadWriteOnce]"), "bound to no PersistentVolume"),
      (
        source("c") + claim("volumeName: v") + volume("\(here), volumeMode: Block"),
        "asks for volumeMode Filesystem, its PersistentVolume is Block"
      ),
      (
        source("c") + claim("volumeName: v, volumeMode: Block")
          + volume("\(here), volumeMode: Block"), "is a directory, but should be"
      ),
      (
        source("c") + claim("volumeName: v") + volume("hostPath: {path: \(image)}"),
        "is a regular file, but should be"
      ),
      (
        source("c") + claim("volumeName: v") + volume("nfs: {server: a, path: /b}"),
        "is a nfs volume"
      ),
      (
        source("c") + claim("volumeName: v")
          + volume("hostPath: {path: \(directory.path), type: BlockDevice}"),
        "a block device as hostPath.type says"
      ),
    ]
    for (text, expected) in cases {
      let message = try message(text)
      #expect(message.contains(expected), "\(message)")
    }
  }

  @Test func directoryOrCreateMakesTheDirectory() throws {
    let path = directory.path("new")
    let text =
      source("c") + claim("volumeName: v")
      + volume("hostPath: {path: \(path), type: DirectoryOrCreate}")
    #expect(try bind(text).form == .directory)
    #expect(access(path, F_OK) == 0)
  }

  @Test("A claim without a class is made in the default one, and with an empty name in none")
  func defaultClass() throws {
    func storage(_ name: String, isDefault: Bool) -> String {
      """
      ---
      apiVersion: storage.k8s.io/v1
      kind: StorageClass
      metadata:
        name: \(name)
        annotations: {storageclass.kubernetes.io/is-default-class: "\(isDefault)"}
      provisioner: drover/directory
      parameters: {root: /srv/\(name)}

      """
    }
    let classes = storage("bulk", isDefault: false) + storage("fast", isDefault: true)
    let populator =
      "dataSourceRef: {kind: ReplicationDestination, apiGroup: volsync.backube, name: d}"
    func root(_ fields: String) throws -> String? {
      let set = try set(claim("\(populator)\(fields)") + classes)
      let claim = try #require(set.all(PersistentVolumeClaim.self).first)
      return VolumeBinder(set, volumeRoot: "/var/own").fillable(claim)?.root
    }
    #expect(try root("") == "/srv/fast")
    #expect(try root(", storageClassName: bulk") == "/srv/bulk")
    #expect(try root(", storageClassName: ''") == "/var/own")
  }
}
