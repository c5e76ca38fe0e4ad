// Package schemas holds the pure rules about custom resource definitions: which
// of them are served alike (Shape), which names a new one may have (Accept,
// Status), and what a workspace serves when several sources offer the same
// resource (Resolve).
//
// Nothing here reads a clock, a store or a network, so every rule is a table
// in a test.
package schemas
