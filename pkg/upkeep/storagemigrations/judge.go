package storagemigrations

import (
	"cmp"
	"fmt"
	"time"

	svmv1 "k8s.io/api/storagemigration/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/schemas"
)

// patience is how long a resource may come after the migration that names it, as in
// Kubernetes.
const patience = time.Minute

// step is what to do next for a migration.
type step int

const (
	wait step = iota
	succeed
	fail
	migrate
)

// facts are what a step is decided by.
type facts struct {
	migration *svmv1.StorageVersionMigration
	// api answers for the resource in the workspace; nil for compiled-in kinds that
	// every workspace has, which are Builtin, and when nobody does.
	api     *schemas.API
	builtin bool
	// definition is the one of the workspace with that name, if there is any.
	definition *apiextensionsv1.CustomResourceDefinition
	now        time.Time
}

// judge returns the next step, and with fail why.
func judge(f facts) (step, string) {
	resource := schema.GroupResource(f.migration.Spec.Resource)
	switch {
	case f.api == nil && f.builtin:
		return succeed, "" // the hub stores its kinds in one version
	case f.api == nil || f.api.Origin == schemas.Local && f.definition == nil:
		if f.now.Sub(f.migration.CreationTimestamp.Time) < patience {
			return wait, ""
		}
		return fail, fmt.Sprintf("%s is not served in this workspace", resource)
	case f.api.Origin == schemas.Bound:
		return fail, fmt.Sprintf("%s comes from APIExport %s: who offers it has the objects of all workspaces rewritten, by migrateStorage in a SchemaRollout", resource, f.api.Export)
	case f.api.Origin != schemas.Local:
		return succeed, ""
	case f.definition.DeletionTimestamp != nil:
		return fail, fmt.Sprintf("CustomResourceDefinition %s is being deleted", f.definition.Name)
	case f.api.Closed || schemas.Closed(f.definition):
		return wait, "" // for the binding that takes the objects over
	}
	return migrate, ""
}

// next returns which of the migrations of a workspace goes on: one that runs, or else
// the oldest. None is left when it returns nil.
func next(migrations []*svmv1.StorageVersionMigration) *svmv1.StorageVersionMigration {
	var first *svmv1.StorageVersionMigration
	for _, m := range migrations {
		if !over(m) && (first == nil || before(m, first)) {
			first = m
		}
	}
	return first
}

func before(a, b *svmv1.StorageVersionMigration) bool {
	if is(a, svmv1.MigrationRunning) != is(b, svmv1.MigrationRunning) {
		return is(a, svmv1.MigrationRunning)
	}
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name)) < 0
}

// over reports whether nothing will be done for a migration any more.
func over(m *svmv1.StorageVersionMigration) bool {
	return is(m, svmv1.MigrationSucceeded) || is(m, svmv1.MigrationFailed)
}

func is(m *svmv1.StorageVersionMigration, condition svmv1.MigrationConditionType) bool {
	return meta.IsStatusConditionTrue(m.Status.Conditions, string(condition))
}
