package v1alpha1

import (
	"crypto/sha256"
	"math/big"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

func TestToSyncTargetKey(t *testing.T) {
	// The key is part of stored objects: it must never change.
	const want = "4Obdy9xlHfa1bQO0IfZlXoNH46X0BcDQEks5iu"
	if got := ToSyncTargetKey("2xk8p9f3a7c1d5e0", "eu-1"); got != want {
		t.Errorf("ToSyncTargetKey = %q, want %q", got, want)
	}
	if ToSyncTargetKey("root", "a") == ToSyncTargetKey("root", "b") {
		t.Error("two names have the same key")
	}
	if ToSyncTargetKey("root", "a") == ToSyncTargetKey("boot", "a") {
		t.Error("two workspaces have the same key")
	}
}

// The key is the hash written with digits, lower case and upper case, most
// significant digit first: the reverse gives the hash back.
func TestToSyncTargetKeyIsBase62OfTheHash(t *testing.T) {
	key := ToSyncTargetKey("root", "eu")
	got, ok := new(big.Int).SetString(key, 62)
	if !ok {
		t.Fatalf("%q is not base62", key)
	}
	sum := sha256.Sum224([]byte("root:eu"))
	if want := new(big.Int).SetBytes(sum[:]); got.Cmp(want) != 0 {
		t.Errorf("%q decodes to %x, want %x", key, got, want)
	}
}

func TestKeysAreValidMetadata(t *testing.T) {
	for _, cluster := range []logicalcluster.Name{"root", "2xk8p9f3a7c1d5e0", "system:admin"} {
		key := ToSyncTargetKey(cluster, "a-name-of-a-child-cluster")
		for _, name := range []string{
			StateLabel(key), DeletionAnnotation(key), SoftFinalizersAnnotation(key),
			SyncerFinalizer(key), SpecDiffAnnotation(key), StatusDiffAnnotation(key),
		} {
			if errs := validation.IsQualifiedName(name); len(errs) > 0 {
				t.Errorf("%q: %v", name, errs)
			}
		}
		if errs := validation.IsValidLabelValue(key); len(errs) > 0 {
			t.Errorf("%q as a value: %v", key, errs)
		}
	}
}
