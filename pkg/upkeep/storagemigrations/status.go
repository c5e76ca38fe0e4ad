package storagemigrations

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	svmv1 "k8s.io/api/storagemigration/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/atriumhub/atrium/pkg/loop"
)

var (
	migrations  = svmv1.SchemeGroupVersion.WithResource("storageversionmigrations")
	definitions = apiextensionsv1.SchemeGroupVersion.WithResource("customresourcedefinitions")
)

// Reasons are those of Kubernetes.
const (
	reasonRunning   = "MigrationRunning"
	reasonCompleted = "MigrationCompleted"
	reasonSucceeded = "StorageVersionMigrationSucceeded"
	reasonFailed    = "StorageVersionMigrationFailed"
)

// begin says of a migration and its definition that it runs. It returns true when
// both have said so already.
func (m *Migrator) begin(ctx context.Context, j *job) (bool, error) {
	if !is(j.migration, svmv1.MigrationRunning) || j.migration.Status.ResourceVersion == "" {
		if err := m.Rate.Wait(ctx); err != nil {
			return false, err
		}
		return false, m.tell(ctx, j, running(""))
	}
	mark := apiextensionsv1.CustomResourceDefinitionCondition{
		Type: apiextensionsv1.StorageMigrating, Status: apiextensionsv1.ConditionTrue,
		Reason: reasonRunning, Message: fmt.Sprintf("Migration %s is running", j.migration.Name),
	}
	conditions, changed := m.withMark(j.facts.definition, mark)
	if !changed {
		return true, nil
	}
	_, err := m.amendDefinition(ctx, j, map[string]any{"conditions": conditions})
	return false, err
}

// finish has the definition forget the versions in which nothing lies any more, or
// with a reason why not says only that the migration is over, and then ends it.
func (m *Migrator) finish(ctx context.Context, j *job, why string) error {
	mark := apiextensionsv1.CustomResourceDefinitionCondition{
		Type: apiextensionsv1.StorageMigrating, Status: apiextensionsv1.ConditionFalse,
		Reason: "MigrationSucceeded", Message: "The migration has succeeded and the stored versions have been updated",
	}
	status := map[string]any{"storedVersions": []string{j.version}}
	if why != "" {
		mark.Reason, mark.Message = "MigrationFailed", "The migration has failed"
		delete(status, "storedVersions")
	}
	status["conditions"], _ = m.withMark(j.facts.definition, mark)
	if amended, err := m.amendDefinition(ctx, j, status); err != nil || !amended {
		return err // when it has changed, the next pass is for what it has become
	}
	return m.end(ctx, j, why)
}

// withMark returns the conditions of a definition with mark among them.
func (m *Migrator) withMark(crd *apiextensionsv1.CustomResourceDefinition, mark apiextensionsv1.CustomResourceDefinitionCondition) (conditions []apiextensionsv1.CustomResourceDefinitionCondition, changed bool) {
	mark.ObservedGeneration = crd.Generation
	conditions = slices.Clone(crd.Status.Conditions)
	at := slices.IndexFunc(conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool { return c.Type == mark.Type })
	if at < 0 {
		at, conditions = len(conditions), append(conditions, apiextensionsv1.CustomResourceDefinitionCondition{})
	}
	mark.LastTransitionTime = conditions[at].LastTransitionTime
	if conditions[at] == mark {
		return conditions, false
	}
	if conditions[at].Status != mark.Status {
		mark.LastTransitionTime = metav1.NewTime(m.Clock.Now())
	}
	conditions[at] = mark
	return conditions, true
}

// amendDefinition writes status, if nobody has written the definition since it was
// looked at.
func (m *Migrator) amendDefinition(ctx context.Context, j *job, status map[string]any) (bool, error) {
	crd := j.facts.definition
	return m.patch(ctx, j, definitions, crd.Name, map[string]any{"uid": crd.UID, "resourceVersion": crd.ResourceVersion}, status)
}

// end says of a migration that it has succeeded, or failed with a reason why.
func (m *Migrator) end(ctx context.Context, j *job, why string) error {
	last := metav1.Condition{Type: string(svmv1.MigrationSucceeded), Reason: reasonSucceeded, Message: "Migration completed"}
	if why != "" {
		last = metav1.Condition{Type: string(svmv1.MigrationFailed), Reason: reasonFailed, Message: why}
	}
	last.Status = metav1.ConditionTrue
	conditions := []metav1.Condition{last}
	if is(j.migration, svmv1.MigrationRunning) {
		conditions = append(conditions, metav1.Condition{
			Type: string(svmv1.MigrationRunning), Status: metav1.ConditionFalse, Reason: reasonCompleted, Message: "Migration completed",
		})
	}
	if err := m.tell(ctx, j, conditions...); err != nil {
		return err
	}
	j.ended = j.migration.UID
	return nil
}

// running is the condition of a migration that goes on in spite of trouble, if there
// is any.
func running(trouble string) metav1.Condition {
	message := "The migration is running"
	if trouble != "" {
		message += "; transient error: " + trouble
	}
	return metav1.Condition{Type: string(svmv1.MigrationRunning), Status: metav1.ConditionTrue, Reason: reasonRunning, Message: message}
}

// tell sets conditions of a migration. That it is gone is no error.
func (m *Migrator) tell(ctx context.Context, j *job, conditions ...metav1.Condition) error {
	status := j.migration.Status.DeepCopy()
	for _, c := range conditions {
		c.LastTransitionTime = metav1.NewTime(m.Clock.Now())
		meta.SetStatusCondition(&status.Conditions, c)
	}
	if status.ResourceVersion == "" {
		// What lay there when the hub saw the migration first.
		status.ResourceVersion = j.migration.ResourceVersion
	}
	_, err := m.patch(ctx, j, migrations, j.migration.Name, map[string]any{"uid": j.migration.UID}, status)
	return err
}

// patch writes status, and reports whether the object was still the one that metadata
// says.
func (m *Migrator) patch(ctx context.Context, j *job, resource schema.GroupVersionResource, name string, metadata map[string]any, status any) (bool, error) {
	data, err := json.Marshal(map[string]any{"metadata": metadata, "status": status})
	if err != nil {
		return false, loop.Terminal(err)
	}
	_, err = m.Hub.Dynamic(j.workspace.Path()).Resource(resource).Patch(ctx, name, types.MergePatchType, data, metav1.PatchOptions{}, "status")
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("failed to update the status of %s %s in workspace %s: %w", resource.Resource, name, j.workspace, err)
	}
	return true, nil
}
