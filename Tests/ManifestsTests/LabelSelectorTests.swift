import Manifests
import Testing

@Suite struct LabelSelectorTests {
  private let labels = ["app": "web", "tier": "front", "example.com/team": "a-b_c.d"]

  @Test(arguments: [
    ("app=web", true), ("app==web", true), ("app = web", true), ("app=db", false),
    ("app!=db", true), ("app!=web", false), ("zone!=a", true), ("app", true), ("zone", false),
    ("!zone", true), ("! zone", true), ("!app", false), ("app in (db, web)", true),
    ("app in (db)", false), ("app notin (db)", true), ("zone notin (a)", true),
    ("app notin (web,db)", false), ("app=web,tier=front", true), ("app=web,tier=back", false),
    ("app in (a,web),!zone", true), ("example.com/team=a-b_c.d", true), ("app=", false),
    ("inside", false), ("notin", false),
  ])
  func reads(text: String, matches: Bool) throws {
    let selector = try #require(LabelSelector(text))
    #expect(selector.matches(labels) == matches)
  }

  @Test(arguments: [
    "", ",", "=web", "app=web,", "app=a b", "app in web", "app in ()", "app in (a", "app>1", "!",
    "app=web;tier=x", "app===web", String(repeating: "a", count: 5000),
  ])
  func refuses(text: String) {
    #expect(LabelSelector(text) == nil)
  }
}
