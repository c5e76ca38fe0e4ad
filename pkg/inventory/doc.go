// Package inventory knows, in memory, which sync targets and locations each
// workspace offers and which Placements have chosen them. It answers with
// immutable snapshots in the words of the decisions that are made on them, and
// makes none itself.
//
// It is fed by informers over all workspaces. Create it before anything else
// that listens to the same informers and asks it in return, so that its facts
// are never older than theirs.
package inventory
