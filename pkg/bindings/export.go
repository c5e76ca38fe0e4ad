package bindings

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/pkg/loop"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// identityNamespace holds the identity secrets that the hub makes.
	identityNamespace = "kcp-system"
	// identityBytes is the length of an identity, before it is written in hex.
	identityBytes = 32
	// reasonNoIdentity is the reason of an export that cannot be given one.
	reasonNoIdentity = "IdentityGenerationFailed"
	// reasonIdentity is the reason of an export whose identity cannot be used.
	reasonIdentity = "IdentityVerificationFailed"
)

// errIdentity marks what the owner of an export has to mend.
var errIdentity = errors.New("identity cannot be used")

// reconcileExport gives an export its identity: a secret that only the owner of
// the workspace can read, and the hash of it that everybody can.
func (k *keeper) reconcileExport(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	export, found := k.APIExports.Get(key)
	if !found || export.DeletionTimestamp != nil {
		return loop.Result{}, nil
	}
	if export.Spec.Identity == nil || export.Spec.Identity.SecretRef == nil {
		err := k.makeIdentity(ctx, key, export)
		if err == nil {
			return loop.Result{}, nil
		}
		return loop.Result{}, errors.Join(err, k.say(ctx, key, export, conditionsv1alpha1.False(apisv1alpha2.APIExportIdentityValid,
			conditionsv1alpha1.ConditionSeverityError, reasonNoIdentity, "%v", err)))
	}
	status := *export.Status.DeepCopy()
	hash, err := k.identityHash(ctx, key.Workspace, export.Spec.Identity.SecretRef, status.IdentityHash)
	if err != nil && !errors.Is(err, errIdentity) {
		return loop.Result{}, err
	}
	condition := conditionsv1alpha1.True(apisv1alpha2.APIExportIdentityValid)
	if err != nil {
		condition = conditionsv1alpha1.False(condition.Type, conditionsv1alpha1.ConditionSeverityError, reasonIdentity, "%v", err)
	} else {
		status.IdentityHash = hash
	}
	status.Conditions = conditionsv1alpha1.Set(status.Conditions, k.Clock.Now(), condition)
	k.tellView(key, &status)
	k.tellStorage(key.Workspace, export, &status)
	k.tellSchemas(key, export, &status)
	if err := k.ensureSlice(ctx, key, export); err != nil {
		return loop.Result{}, err
	}
	if equality.Semantic.DeepEqual(status, export.Status) {
		return loop.Result{}, nil
	}
	return loop.Result{}, k.patch(ctx, exportsGVR, key, map[string]any{
		"metadata": map[string]any{"resourceVersion": export.ResourceVersion}, "status": status,
	}, "status")
}

// say writes a condition of an export.
func (k *keeper) say(ctx context.Context, key logicalcluster.Key, export *apisv1alpha2.APIExport, condition conditionsv1alpha1.Condition) error {
	conditions := conditionsv1alpha1.Set(slices.Clone(export.Status.Conditions), k.Clock.Now(), condition)
	if equality.Semantic.DeepEqual(conditions, export.Status.Conditions) {
		return nil
	}
	return k.patch(ctx, exportsGVR, key, map[string]any{
		"metadata": map[string]any{"resourceVersion": export.ResourceVersion}, "status": map[string]any{"conditions": conditions},
	}, "status")
}

// makeIdentity stores a new identity secret and refers to it.
func (k *keeper) makeIdentity(ctx context.Context, key logicalcluster.Key, export *apisv1alpha2.APIExport) error {
	identity, err := k.newIdentity(ctx, key.Workspace, export.Name)
	if err != nil {
		return fmt.Errorf("failed to store the identity of APIExport %s: %w", key, err)
	}
	return k.patch(ctx, exportsGVR, key, map[string]any{"spec": map[string]any{"identity": identity}})
}

// newIdentity stores a secret with a new identity and returns a reference to it.
// One that exists already under the name is taken: it was made by an attempt that
// failed later.
func (k *keeper) newIdentity(ctx context.Context, workspace logicalcluster.Name, name string) (*apisv1alpha2.Identity, error) {
	random := make([]byte, identityBytes)
	if _, err := rand.Read(random); err != nil {
		return nil, fmt.Errorf("failed to make an identity: %w", err)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: identityNamespace, Name: name},
		StringData: map[string]string{apisv1alpha2.SecretKeyAPIExportIdentity: hex.EncodeToString(random)},
	}
	if err := k.hub.CreateSecret(ctx, workspace, secret); err != nil && !apierrors.IsAlreadyExists(err) {
		return nil, err
	}
	return &apisv1alpha2.Identity{SecretRef: &corev1.SecretReference{Namespace: identityNamespace, Name: name}}, nil
}

// identityHash reads an identity secret. was is the hash by which it is known, or ""
// while there is none. An errIdentity is for the owner of the secret to mend.
func (k *keeper) identityHash(ctx context.Context, workspace logicalcluster.Name, ref *corev1.SecretReference, was string) (string, error) {
	advice := fmt.Sprintf("create it with a field %q, or remove spec.identity to get a new one", apisv1alpha2.SecretKeyAPIExportIdentity)
	if was != "" {
		advice = fmt.Sprintf("restore it, with its old field %q; what has this identity goes on, but cannot be made again without it", apisv1alpha2.SecretKeyAPIExportIdentity)
	}
	secret, err := k.hub.Secret(ctx, logicalcluster.Key{Workspace: workspace, Namespace: ref.Namespace, Name: ref.Name})
	if apierrors.IsNotFound(err) {
		return "", fmt.Errorf("%w: secret %s/%s is missing: %s", errIdentity, ref.Namespace, ref.Name, advice)
	}
	if err != nil {
		return "", fmt.Errorf("failed to read the identity secret %s/%s: %w", ref.Namespace, ref.Name, err)
	}
	value := secret.Data[apisv1alpha2.SecretKeyAPIExportIdentity]
	if len(value) == 0 {
		return "", fmt.Errorf("%w: secret %s/%s has no field %q: %s", errIdentity, ref.Namespace, ref.Name, apisv1alpha2.SecretKeyAPIExportIdentity, advice)
	}
	sum := sha256.Sum256(value)
	hash := hex.EncodeToString(sum[:])
	if was != "" && was != hash {
		return "", fmt.Errorf("%w: secret %s/%s was changed: %s", errIdentity, ref.Namespace, ref.Name, advice)
	}
	return hash, nil
}

// tellSchemas writes into the status of an export how its schemas are, and how many of
// its bindings have them.
func (k *keeper) tellSchemas(key logicalcluster.Key, export *apisv1alpha2.APIExport, status *apisv1alpha2.APIExportStatus) {
	where, ok := k.Resolve(key.Workspace.Path())
	if !ok || k.natives[where.Path.Join(key.Name).String()] {
		return
	}
	status.Conditions = conditionsv1alpha1.Set(status.Conditions, k.Clock.Now(), upToDate(k.survey(where, export), k.pathOf), k.schemasValid(where, export))
}

// schemasValid says whether an export can be bound as far as its own schemas go,
// also while nobody tries. What they describe was judged when they were written.
func (k *keeper) schemasValid(where Workspace, export *apisv1alpha2.APIExport) conditionsv1alpha1.Condition {
	var offers []offer
	for _, resource := range export.Spec.Resources {
		schema, _ := k.Schemas.Get(logicalcluster.Key{Workspace: where.Name, Name: resource.Schema})
		offers = append(offers, offerOf(where, resource, schema, &definition{}))
	}
	valid := conditionsv1alpha1.True(publicationv1alpha1.ExportSchemasValid)
	if trouble := troubles(offers); len(trouble) > 0 {
		return conditionsv1alpha1.False(valid.Type, conditionsv1alpha1.ConditionSeverityError, apisv1alpha2.APIResourceSchemaInvalidReason, "%s", few(trouble))
	}
	return valid
}

// listenToSecrets wakes those whose identity secret changes, or goes.
func (k *keeper) listenToSecrets() {
	k.Secrets.OnChange(func(_, _ *metav1.PartialObjectMetadata, key logicalcluster.Key) {
		for _, export := range k.APIExports.In(key.Workspace) {
			if hasSecret(export.Spec.Identity, key) {
				k.exports.Enqueue(client.KeyOf(export))
			}
		}
		for _, resource := range k.Cached.In(key.Workspace) {
			if hasSecret(resource.Spec.Identity, key) {
				k.cached.Enqueue(client.KeyOf(resource))
			}
		}
	})
}

func hasSecret(identity *apisv1alpha2.Identity, key logicalcluster.Key) bool {
	return identity != nil && identity.SecretRef != nil && identity.SecretRef.Namespace == key.Namespace && identity.SecretRef.Name == key.Name
}
