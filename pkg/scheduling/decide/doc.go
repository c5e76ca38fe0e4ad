// Package decide holds the decisions of the scheduler as pure functions: facts
// and a moment go in, a choice and the reason for it come out. It knows no
// clients, no clocks and no stores.
//
// There are three decisions:
//
//   - Decide picks the sync target of one Placement;
//   - Object and Namespace say which metadata an object needs so that exactly
//     the chosen sync targets see it;
//   - ReservedMetadataChange says whether a writer touched metadata that only
//     the hub and its agents may write; StripReserved takes it from copies.
//
// # Rules for choosing a sync target
//
// D1: a choice stays. A sync target in use is left only when it is gone, when it
// is drained (spec.evictAfter has passed), when its owner no longer admits the
// workspace, or when something is wrong with it and another one fits.
//
// D2: cordoning (spec.unschedulable) keeps newcomers away and moves nobody.
//
// D3: a sync target that stopped reporting keeps its workloads for a grace
// period, counted from the moment it was found not ready. A restart of an agent
// or of a network link moves nothing.
//
// D4: the choice among several is not random: the one with the fewest placements,
// and among equals the one that a stable hash of placement and target prefers.
//
// D5: a Placement in use is never moved to nowhere because of a fault: without
// anything better it stays, and its condition says so.
//
// D6: what a workspace is told about sync targets of another workspace is
// limited to those that admit it. "It is not there" and "you may not" read the
// same.
package decide
