// Package catalog knows, in memory, which resources each workspace serves:
// which of its requests go to a compiled-in registry, which to a custom
// resource handler of which shape, and which to nobody.
//
// Every workspace has an immutable Set. Workspaces that serve the same share
// one Set, so that ten thousand equal workspaces cost ten thousand map entries;
// a workspace with nothing of its own costs none. Reads take no lock.
//
// The catalog is fed with facts (definitions that were stored, exports that
// were bound) and never asks for any.
package catalog
