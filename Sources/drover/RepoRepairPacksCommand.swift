import ArgumentParser
import BackupRepository
import Glibc
import Platform

extension RepoRepairCommand {
  /// `drover repo repair packs`: what is readable of damaged packs, in new ones.
  struct Packs: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "packs",
      abstract: "Save what is readable of damaged packs, and remove them.",
      discussion: """
        `check --read-data` names damaged packs. A copy of each is left in the current directory \
        first, as pack-ID. Blobs that cannot be read are lost, unless a new backup stores them \
        again: run one afterwards.

        Examples:
          drover repo -r /srv/backup repair packs 4f2ad3c1
        """)

    @OptionGroup(title: "All commands") var options: RepoOptions

    @Argument(help: ArgumentHelp("Identifiers of packs, or their beginnings.", valueName: "id"))
    var names: [String]

    func run() throws {
      try RepoRun.end(options) { run in
        try run.withRepository(.exclusive) { repository in try repair(run, repository) }
      }
    }

    private func repair(_ run: RepoRun, _ repository: Repository) throws -> RepoExitStatus {
      let output = run.output
      let contents = try RepositoryInspection(repository)
      let packs = try names.map { try contents.find(PackID.self, prefix: $0) }
      output.say("saving copies of the packs in the current directory")
      for id in packs { try saveCopy(id, contents, output) }
      let report = try RepairPacks(repository, packs, isCancelled: run.isInterrupted).run()
      for blob in report.lostBlobs {
        output.itemFailed("blob \(blob.id.short)", during: "read", "it cannot be read")
      }
      if output.isJSON {
        output.emit(json(report))
      } else {
        output.say(
          "\(report.savedBlobCount) blobs saved, \(report.lostBlobs.count) not readable,"
            + " \(report.removedPacks.count) packs removed")
        if !report.lostBlobs.isEmpty {
          output.say("a new backup stores again what the source still has")
        }
      }
      return .done
    }

    /// A pack that is missing altogether has no copy: what else is known of it is dropped.
    private func saveCopy(
      _ id: PackID, _ contents: RepositoryInspection, _ output: RepoOutput
    ) throws {
      let path = "pack-\(id.hex)"
      var failure: PlatformError?
      var offset: Int64 = 0
      let raw = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
      // One of an earlier run is what the pack was before it was touched.
      if raw < 0, errno == EEXIST { return }
      guard raw >= 0 else { throw PlatformError.last("open", path) }
      let file = Descriptor(owning: raw)
      do throws(RepositoryError) {
        _ = try contents.pack(id) { bytes in
          do throws(PlatformError) { try FileIO.write(file.raw, bytes, at: offset) } catch {
            failure = failure ?? PlatformError(error.call, path, errno: error.errno)
          }
          offset += Int64(bytes.count)
        }
      } catch {
        unlink(path)
        guard error.kind == .notFound || error.kind == .corrupt else { throw error }
        return output.itemFailed("pack \(id.short)", during: "save", error.description)
      }
      if failure == nil, fsync(file.raw) != 0 { failure = .last("fsync", path) }
      if let failure {
        unlink(path)
        throw failure
      }
    }

    private func json(_ report: RepairPacksReport) -> JSONObject {
      [
        "message_type": .string("summary"), "blobs_saved": .integer(Int64(report.savedBlobCount)),
        "blobs_lost": .array(report.lostBlobs.map { .string($0.id.hex) }),
        "packs_removed": .array(report.removedPacks.map { .string($0.hex) }),
      ]
    }
  }
}
