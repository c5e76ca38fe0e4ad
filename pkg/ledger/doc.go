// Package ledger is for loops that write objects of their own straight to storage,
// past the API, and for what they would otherwise each write again.
//
//	store, err := ledger.Open(getter, resource)
//	err = ledger.Amend(ctx, store, resource, key, &storage.Preconditions{UID: &uid}, func(stored *unstructured.Unstructured) error {
//		…
//		return ledger.SetIfChanged(stored, "status", &before.Status, &after.Status)
//	})
//
// Nobody judges what is written here: neither admission, nor a schema, nor a
// policy of a tenant. So:
//
//	L1: a loop writes fields here that it alone writes, and nothing that a tenant
//	    could have a say in.
//	L2: an object is read as it lies there, and what the loop does not know
//	    survives.
package ledger
