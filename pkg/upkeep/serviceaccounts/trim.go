package serviceaccounts

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// digestAnnotation, on a trimmed ConfigMap, holds a digest of its certificate.
// It exists in memory only.
const digestAnnotation = "digest"

// Trim reduces a ServiceAccount or ConfigMap to the little this package wants
// to keep in memory of each. It is meant as Convert of the two informers.
func Trim(obj runtime.Object) (*metav1.PartialObjectMetadata, error) {
	switch full := obj.(type) {
	case *corev1.ServiceAccount:
		return trimmed(full), nil
	case *corev1.ConfigMap:
		small := trimmed(full)
		if full.Name == prepare.RootCAName {
			small.Annotations[digestAnnotation] = digest([]byte(full.Data[prepare.RootCAKey]))
		}
		return small, nil
	}
	return nil, fmt.Errorf("expected a ServiceAccount or a ConfigMap, got %T", obj)
}

func trimmed(full metav1.Object) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Namespace:       full.GetNamespace(),
		Name:            full.GetName(),
		ResourceVersion: full.GetResourceVersion(),
		Annotations:     map[string]string{logicalcluster.AnnotationKey: logicalcluster.From(full).String()},
	}}
}

func digest(data []byte) string {
	sum := sha256.Sum224(data)
	return hex.EncodeToString(sum[:8])
}
