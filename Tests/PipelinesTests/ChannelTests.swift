import Testing

@testable import Pipelines

@Test func placeholder() {}
