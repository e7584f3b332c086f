import Remotes
import Testing

/// The configuration file is looked for where rclone looks (`rclone config file`).
@Suite struct ConfigLocationTests {
  private func find(
    _ environment: [String: String], option: String? = nil, existing: Set<String> = []
  ) -> ConfigLocation {
    ConfigLocation.find(
      option: option, environment: environment, executableFolder: "/opt/bin", home: "/users/db",
      exists: existing.contains)
  }

  @Test func anExplicitNameDecides() {
    let variables = ["RCLONE_CONFIG": "/x.conf", "HOME": "/h"]
    #expect(find(variables, existing: ["/opt/bin/rclone.conf"]) == .file("/x.conf"))
    #expect(find(variables, option: "y.conf") == .file("y.conf"))
    #expect(find(["RCLONE_CONFIG": ""]) == .memory)
  }

  @Test func theFirstThatExistsIsTaken() {
    let variables = ["XDG_CONFIG_HOME": "/h/x", "HOME": "/h"]
    var existing: Set = ["/h/.rclone.conf"]
    #expect(find(variables, existing: existing) == .file("/h/.rclone.conf"))
    existing.insert("/h/.config/rclone/rclone.conf")
    #expect(find(variables, existing: existing) == .file("/h/.config/rclone/rclone.conf"))
    existing.insert("/h/x/rclone/rclone.conf")
    #expect(find(variables, existing: existing) == .file("/h/x/rclone/rclone.conf"))
    existing.insert("/opt/bin/rclone.conf")
    #expect(find(variables, existing: existing) == .file("/opt/bin/rclone.conf"))
  }

  @Test func withoutAFileItIsWhereOneWouldBeMade() {
    #expect(find(["HOME": "/h"]) == .file("/h/.config/rclone/rclone.conf"))
    let variables = ["XDG_CONFIG_HOME": "/h/x", "HOME": "/h"]
    #expect(find(variables) == .file("/h/x/rclone/rclone.conf"))
    #expect(find(["HOME": ""]) == .file("/users/db/.config/rclone/rclone.conf"))
  }
}
