import Glibc
import Platform
import TestSupport
import Testing

/// A volume, a bucket, and `drover run` on manifests that name both; and VolSync's own command
/// lines on the same bucket.
struct RcloneBench {
  let directory: TemporaryDirectory
  let server: any BucketServer
  let bucket: String
  /// The volume of the source, empty, and that of the destination.
  let volume: String
  let restored: String

  init() throws {
    let server = try RcloneServer()
    try server.makeBucket("volumes")
    try self.init(server, bucket: "volumes")
  }

  init(_ server: any BucketServer, bucket: String) throws {
    directory = try TemporaryDirectory()
    (self.server, self.bucket) = (server, bucket)
    volume = try directory.makeDirectory("volume")
    restored = try directory.makeDirectory("restored")
  }

  // MARK: The volume

  /// Every kind of name, mode, owner, list and time, and links; nothing that neither a bucket nor
  /// `permissions.facl` keeps.
  func fill(seed: UInt64 = 21) throws {
    try MetadataZoo.make(at: volume, seed: seed)
    try TestSupport.runChecked("find", [volume, "-type", "p", "-delete"])
    try TestSupport.runChecked("find", [volume, "-type", "s", "-delete"])
    try TestSupport.runChecked("find", [volume, "-type", "b", "-delete"])
    try TestSupport.runChecked("find", [volume, "-type", "c", "-delete"])
    try TestSupport.runChecked("find", [volume, "!", "-type", "d", "-links", "+1", "-delete"])
    // Escaped, the name is longer than a key can be.
    let long = [UInt8](repeating: 0xe9, count: 255)
    let odd = ByteFiles.join(Array(volume.utf8), "odd names")
    try removeAll(ByteFiles.join(odd, long))
    // `rclone serve s3` makes a path of the key, and cannot keep this one.
    try removeAll(ByteFiles.join(odd, [UInt8](repeating: UInt8(ascii: "n"), count: 255)))
    // The server takes the two ways to write this for one, and so does rclone 1.60.
    try removeAll(ByteFiles.join(odd, "e\u{301}"))
    // Of control characters it makes symbols, now and then both.
    try removeAll(ByteFiles.join(odd, [0x01, 0x7f, 0x1b]))
    // A tenth is enough of a crowd here.
    try TestSupport.runChecked("find", ["\(volume)/crowded", "-name", "*[1-9]", "-delete"])
    // For the judge, who does not compare what is in it.
    guard mkdir("\(volume)/lost+found", 0o700) == 0 else { throw PlatformError.last("mkdir") }
    try write("\(volume)/lost+found/#1", "of the file system")
    try ByteFiles.setTime(Array(volume.utf8), seconds: 1_600_000_000, nanoseconds: 5)
  }

  private func removeAll(_ path: [UInt8]) throws {
    if try ByteFiles.kind(path) != S_IFDIR { return try ByteFiles.remove(path) }
    for name in try ByteFiles.names(in: path) { try removeAll(ByteFiles.join(path, name)) }
    try ByteFiles.remove(path)
  }

  func write(_ path: String, _ text: String) throws {
    try ByteFiles.write(Array(path.utf8), Array(text.utf8))
  }

  /// What rsync would change; attributes but lists, and what is in `lost+found`, do not count.
  func differences(
    _ source: String, _ destination: String, _ options: [String] = []
  ) throws -> String {
    try TestSupport.runChecked(
      "rsync",
      [
        "-aAHn", "--checksum", "--delete", "--itemize-changes", "--exclude=/lost+found",
      ] + options + ["\(source)/", "\(destination)/"],
      environment: ["LC_ALL": "C"]
    ).outputText
  }

  /// Expects the restored volume, or another directory, to be like the source's.
  func expectEqual(
    _ destination: String? = nil, _ options: [String] = [],
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let found = try differences(volume, destination ?? restored, options)
    #expect(found == "", sourceLocation: sourceLocation)
  }

  // MARK: Manifests

  func secret(_ more: String = "", endpoint: String? = nil, section: String = "s3") -> String {
    """
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: rclone-secret}
    stringData:
      \(more)
      rclone.conf: |
        [\(section)]
        type = s3
        provider = Other
        env_auth = false
        access_key_id = \(server.endpoint.accessKey)
        secret_access_key = \(server.endpoint.secretKey)
        region = \(server.endpoint.region)
        endpoint = \(endpoint ?? server.endpoint.url)
        force_path_style = true
        [other]
        type = alias
        remote = \(section):\(bucket)/elsewhere

    """
  }

  func source(_ path: String = "data", metadata: String = "") -> String {
    """
    ---
    apiVersion: volsync.backube/v1alpha1
    kind: ReplicationSource
    metadata: {name: data\(metadata)}
    spec:
      sourcePVC: '\(volume)'
      trigger: {manual: once}
      rclone:
        rcloneConfig: rclone-secret
        rcloneConfigSection: s3
        rcloneDestPath: '\(bucket)/\(path)'
        copyMethod: Direct

    """
  }

  func destination(_ path: String = "data", metadata: String = "", root: String? = nil) -> String {
    """
    ---
    apiVersion: volsync.backube/v1alpha1
    kind: ReplicationDestination
    metadata: {name: data\(metadata)}
    spec:
      trigger: {manual: once}
      rclone:
        rcloneConfig: rclone-secret
        rcloneConfigSection: s3
        rcloneDestPath: '\(bucket)/\(path)'
        copyMethod: Direct
        destinationPVC: '\(root ?? restored)'

    """
  }

  static let allowsEmpty = ", annotations: {drover.internal/allow-empty-source: 'true'}"

  // MARK: Running

  func run(_ manifests: String, by wrapper: [String] = []) throws -> MoverBench.Outcome {
    let command = wrapper + [try DroverBinary.path, "run", "-f", "-", "--once", "-o", "json"]
    let result = try runProcess(
      command[0], Array(command.dropFirst()), environment: ["no_proxy": "127.0.0.1"],
      stdin: Array(manifests.utf8), timeoutSeconds: 180)
    return try MoverBench.Outcome(result)
  }

  @discardableResult
  func runChecked(
    _ manifests: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> MoverBench.Outcome {
    let outcome = try run(manifests)
    #expect(outcome.result.status == 0, "\(outcome.log)", sourceLocation: sourceLocation)
    return outcome
  }

  // MARK: VolSync

  /// What VolSync's mover does for a source, at `/data` as in its container.
  func pushByVolSync(_ path: String = "data", from root: String? = nil) throws {
    try inContainer(root ?? volume, path) {
      #"""
      find /data -path /data/lost+found -prune -o -print0 \
        | xargs -0 getfacl -P > "$work/permissions.facl"
      $rclone sync --one-file-system --create-empty-src-dirs --exclude 'lost+found/**' \
        /data "$remote"
      $rclone copy --include permissions.facl "$work" "$remote"
      """#
    }
  }

  /// What VolSync's mover does for a destination.
  func pullByVolSync(_ path: String = "data", to root: String) throws {
    try inContainer(root, path) {
      #"""
      $rclone sync --one-file-system --create-empty-src-dirs --exclude 'lost+found/**' \
        --exclude permissions.facl "$remote" /data
      $rclone copy --include permissions.facl "$remote" "$work"
      test -e "$work/permissions.facl"
      cd / && { setfacl --restore="$work/permissions.facl" || true; }
      """#
    }
  }

  /// Runs a script with a directory at `/data`, in a name space of its own with a root of links
  /// and mounts, so that this machine gets no /data.
  private func inContainer(_ root: String, _ path: String, _ script: () -> String) throws {
    let client = try RcloneClient(.distribution, server.endpoint)
    let work = try TemporaryDirectory()
    let (mounts, files) = (try work.makeDirectory("root"), try work.makeDirectory("files"))
    let setUp = #"""
      set -e
      mounts=$1 root=$2 script=$3
      mount -t tmpfs none "$mounts"
      for entry in /*; do
        if [ -L "$entry" ]; then cp -P "$entry" "$mounts"
        elif [ -d "$entry" ] && [ "$entry" != /data ]; then
          mkdir "$mounts$entry"
          mount --rbind "$entry" "$mounts$entry"
        fi
      done
      mkdir "$mounts/data"
      mount --bind "$root" "$mounts/data"
      exec chroot "$mounts" sh -e -c "$script"
      """#
    try TestSupport.runChecked(
      "unshare", ["--mount", "sh", "-c", setUp, "sh", mounts, root, script()],
      environment: [
        "rclone":
          "env -u AWS_CA_BUNDLE RCLONE_TRANSFERS=10 RCLONE_CHECKSUM=1 \(client.path) --config"
          + " \(client.configurationPath)",
        "remote": client.remote("\(bucket)/\(path)"), "work": files, "no_proxy": "127.0.0.1",
        "LC_ALL": "C",
      ])
  }

  /// The text of an object.
  func object(_ path: String) throws -> String {
    let client = try RcloneClient(.current, server.endpoint)
    return try client.runChecked(["cat", client.remote("\(bucket)/\(path)")]).outputText
  }

  /// Runs rclone on the bucket.
  @discardableResult
  func rclone(_ arguments: [String]) throws -> String {
    let client = try RcloneClient(.current, server.endpoint)
    return try client.runChecked(
      arguments.map { $0.replacing("BUCKET", with: client.remote(bucket)) }
    ).outputText
  }
}
