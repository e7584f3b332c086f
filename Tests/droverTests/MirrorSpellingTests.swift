import ObjectMirror
import Testing

@testable import drover

/// What rclone's command line allows reaches ArgumentParser in its own form.
@Suite struct MirrorSpellingTests {
  private func spelled(_ text: String, _ environment: [String: String] = [:]) -> String {
    MirrorSpelling.spelledOut(
      text.split(separator: " ").map(String.init), environment: environment
    ).joined(separator: " ")
  }

  @Test(arguments: [
    ("sync a b", "sync a b"),
    ("--transfers 3 -v sync a b", "sync --transfers 3 -v a b"),
    ("sync --checksum=true --links=false a b", "sync --checksum a b"),
    ("sync --s3-chunk-size 6M a b", "sync --backend-option s3-chunk-size=6M a b"),
    ("sync --s3-acl=private a b", "sync --backend-option s3-acl=private a b"),
    ("--s3-region eu copy a b", "copy --backend-option s3-region=eu a b"),
    ("sync --verbose=2 a b", "sync --verbose --verbose a b"),
    ("sync --exclude --checksum=x a b", "sync --exclude --checksum=x a b"),
    ("sync -- --links=true b", "sync -- --links=true b"),
  ])
  func argumentsAreSpelledOut(_ text: String, _ expected: String) {
    #expect(spelled(text) == expected)
  }

  @Test func variablesStandForOptionsOfTheCommand() {
    let variables = [
      "RCLONE_TRANSFERS": "10", "RCLONE_CHECKSUM": "1", "RCLONE_STATS": "20s",
      "RCLONE_MAX_DELETE": "5", "RCLONE_LINKS": "false", "RCLONE_CONFIG": "/x",
    ]
    #expect(
      spelled("sync a b", variables)
        == "sync --checksum --max-delete=5 --stats=20s --transfers=10 a b")
    #expect(
      spelled("copy --transfers 2 a b", variables)
        == "copy --checksum --stats=20s --transfers 2 a b")
    #expect(spelled("ls a", variables) == "ls --stats=20s --transfers=10 a")
  }

  @Test func blocksAreThoseThatScriptsLookFor() {
    var figures = MirrorText.figuresForTests
    #expect(
      MirrorText.block(figures, seconds: 62.5).split(separator: "\n").map(String.init) == [
        "Transferred:   \t 1.500 KiB / 3 KiB, 50%, 24 B/s, ETA 1m4.0s",
        "Errors:                 1 (retrying may help)",
        "Checks:                 4 / 4, 100%, Listed 9",
        "Deleted:                2 (files), 1 (dirs)",
        "Transferred:            1 / 2, 50%",
        "Elapsed time:      1m2.5s",
      ])
    figures = .init()
    #expect(
      MirrorText.block(figures, seconds: 0.04).split(separator: "\n").map(String.init) == [
        "Transferred:   \t       0 B / 0 B, -, 0 B/s, ETA -", "Elapsed time:        0.0s",
      ])
  }
}

extension MirrorText {
  fileprivate static var figuresForTests: MirrorFigures {
    var figures = MirrorFigures()
    figures.transferredBytes = 1536
    figures.transferTotalBytes = 3072
    figures.errorCount = 1
    figures.mayBeRetried = true
    figures.checkedCount = 4
    figures.checkTotal = 4
    figures.listedCount = 9
    figures.deletedCount = 2
    figures.directoriesRemovedCount = 1
    figures.transferredCount = 1
    figures.transferTotal = 2
    return figures
  }
}
