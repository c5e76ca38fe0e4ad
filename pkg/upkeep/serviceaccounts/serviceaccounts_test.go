package serviceaccounts

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/workspaces/prepare"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

func stored(meta metav1.ObjectMeta) metav1.ObjectMeta {
	meta.ResourceVersion = "7"
	meta.UID = "u"
	meta.Labels = map[string]string{"large": "value"}
	meta.Annotations = map[string]string{logicalcluster.AnnotationKey: "c1", "large": "value"}
	return meta
}

func TestTrim(t *testing.T) {
	certificate := prepare.NewRootCA("default", []byte("PEM"))
	certificate.ObjectMeta = stored(certificate.ObjectMeta)
	other := &corev1.ConfigMap{ObjectMeta: stored(metav1.ObjectMeta{Namespace: "default", Name: "big"}), Data: map[string]string{prepare.RootCAKey: "PEM"}}
	account := prepare.NewServiceAccount("default")
	account.ObjectMeta = stored(account.ObjectMeta)
	for name, tc := range map[string]struct {
		obj  runtime.Object
		want *metav1.PartialObjectMetadata
	}{
		"service account":   {account, small("default", nil)},
		"certificate":       {certificate, small("kube-root-ca.crt", map[string]string{digestAnnotation: digest([]byte("PEM"))})},
		"another ConfigMap": {other, small("big", nil)},
		"something else":    {&corev1.Secret{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Trim(tc.obj)
			if (err == nil) != (tc.want != nil) {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func small(name string, annotations map[string]string) *metav1.PartialObjectMetadata {
	out := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Namespace: "default", Name: name, ResourceVersion: "7",
		Annotations: map[string]string{logicalcluster.AnnotationKey: "c1"},
	}}
	for key, value := range annotations {
		out.Annotations[key] = value
	}
	return out
}

func TestAssess(t *testing.T) {
	certificate := func(pem string) *metav1.PartialObjectMetadata {
		return small(prepare.RootCAName, map[string]string{digestAnnotation: digest([]byte(pem))})
	}
	for name, tc := range map[string]struct {
		hasAccount  bool
		certificate *metav1.PartialObjectMetadata
		want        need
	}{
		"complete":            {true, certificate("PEM"), need{}},
		"new namespace":       {false, nil, need{account: true, createCA: true}},
		"no account":          {false, certificate("PEM"), need{account: true}},
		"no certificate":      {true, nil, need{createCA: true}},
		"another certificate": {true, certificate("old"), need{updateCA: true}},
	} {
		t.Run(name, func(t *testing.T) {
			got := assess(tc.hasAccount, tc.certificate, digest([]byte("PEM")))
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(need{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestHarmless(t *testing.T) {
	terminating := apierrors.NewForbidden(schema.GroupResource{}, "x", errors.New("terminating"))
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	for name, tc := range map[string]struct {
		err      error
		harmless bool
	}{
		"success":                {nil, true},
		"somebody was faster":    {apierrors.NewAlreadyExists(schema.GroupResource{}, "x"), true},
		"the namespace is gone":  {apierrors.NewNotFound(schema.GroupResource{}, "x"), true},
		"the namespace is going": {terminating, true},
		"forbidden":              {apierrors.NewForbidden(schema.GroupResource{}, "x", nil), false},
		"broken":                 {errors.New("broken"), false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := harmless("failed", tc.err); (err == nil) != tc.harmless {
				t.Errorf("error %v", err)
			}
		})
	}
}
