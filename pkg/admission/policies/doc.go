// Package policies enforces what workspaces say in admissionregistration.k8s.io:
// ValidatingAdmissionPolicies, MutatingAdmissionPolicies and webhooks, for any
// number of workspaces in one process.
//
//	enforced := policies.New(config)
//	chain = [enforced.Mutating(), … the hub's own plugins …, enforced.Validating()]
//
// A write is judged by the policies of one workspace: that of the export, when the
// resource comes from one, and its own otherwise. Namespaces and what the
// authorizer of CEL says are those of the workspace that is written to; params lie
// beside the policy.
//
// Kubernetes' own plugins keep informers and goroutines, and know one cluster. Here
// its dispatchers, matchers and patchers do the work, and are given for each
// request what they are to see:
//
//	read models of all workspaces ─▶ set (per workspace with policies) ─▶ snapshot
//	   snapshot + request ─▶ hooks that match ─▶ upstream's policy dispatchers
//	   snapshot + request ─▶ upstream's webhook plugin, lent out by a pool
//
// What takes time to make is made when a write first meets it (compiled CEL,
// schemas, connections) and is dropped after a while.
//
// Invariants:
//
//	P1: a write in a workspace whose judging workspace has no policies costs one
//	    look-up.
//	P2: no policy is seen by a request that it was not made for, whatever was
//	    compiled or connected before.
//	P3: the hub's own writes are never judged, nor are writes of policies, nor those
//	    by which an agent lets go; a workspace that is being deleted is not held up by
//	    its own policies. So whatever a tenant makes, he can mend or delete.
//	P4: to the hub, what a policy makes of an object is what its client sent: all of
//	    the hub's plugins come after Mutating, and before Validating.
//	P5: nothing waits on a lock while a webhook is called; how many calls wait
//	    is limited for each workspace and for all.
//	P6: no goroutine, watch or metric series exists for a workspace.
package policies
