// Package storagemigrations carries out StorageVersionMigrations in every workspace,
// one at a time in each: what lies in another version than the one its definition
// stores is written once more, and then the definition forgets the others.
//
// A migration is over when all objects were looked at in one pass and none was left
// in another version. A pass begins when the hub serves the definition as it is by
// then and no write that had begun before is under way, and counts only if the
// definition has not been written since: the write that forgets the versions names
// the definition's resourceVersion. Nothing of a pass is stored; after a restart it
// begins anew.
//
// Invariants:
//
//	M1: a version is forgotten only when no object lies in it.
//	M2: a workspace has one place in the queue, however many migrations it has, and
//	    a turn of it ends after a second, or with the webhook that it waits for.
package storagemigrations
