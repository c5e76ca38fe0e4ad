// Package publications binds the exports of APIPublications in the workspaces that
// these are for, those made later included.
//
//	APIPublication ──▶ publication ──▶ backlog ──▶ workspace ──▶ APIBinding
//	  (or its export)   all of its      a few at     one            │
//	                    workspaces      a time                      ▼
//	Workspace, LogicalCluster, APIBinding ────────▶ workspace     board ──▶ status
//
// The loop of publications finds out which workspaces a changed publication is
// for, and puts them on the backlog. The loop of workspaces does what decide says
// for one workspace, whoever woke it. The board counts, and the third loop writes
// the counts down, once a second at most.
//
// Invariants:
//
//	P1: what happens in one workspace costs the publications that are for it, and
//	    nothing where nothing is published.
//	P2: at most window bindings that were asked for by publications wait for
//	    pkg/bindings: those who bind something themselves, and new workspaces, do
//	    not wait behind ten thousand others.
//	P3: a new workspace opens when it is bound, or when binding takes longer than
//	    patience, and never later because a publication cannot be kept.
//	P4: a publication that was deleted goes when none of its bindings is left, also
//	    of those that were being made when it was deleted.
//	P5: bindings are written to storage, not through the API: what tenants put in
//	    front of their APIs has no say in what is published to them, and cannot hold
//	    up others.
//	P6: of a LogicalCluster only the own initializer and the own annotation are
//	    touched, of an APIPublication the status and the finalizer, and of an
//	    APIBinding only one with the mark, and never its status.
package publications
