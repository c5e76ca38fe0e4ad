package tokensecrets

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestOutlived(t *testing.T) {
	now := metav1.Now()
	secret := func(kind corev1.SecretType, uid string, deleted *metav1.Time) *corev1.Secret {
		return &corev1.Secret{Type: kind, ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: deleted, Annotations: map[string]string{
			corev1.ServiceAccountNameKey: "bot", corev1.ServiceAccountUIDKey: uid,
		}}}
	}
	account := func(uid string) *corev1.ServiceAccount {
		return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{UID: types.UID(uid)}}
	}
	for name, c := range map[string]struct {
		secret  *corev1.Secret
		account *corev1.ServiceAccount
		want    bool
	}{
		"the account lives":          {secret(corev1.SecretTypeServiceAccountToken, "1", nil), account("1"), false},
		"the account is gone":        {secret(corev1.SecretTypeServiceAccountToken, "1", nil), nil, true},
		"another of the same name":   {secret(corev1.SecretTypeServiceAccountToken, "1", nil), account("2"), true},
		"going already":              {secret(corev1.SecretTypeServiceAccountToken, "1", &now), nil, false},
		"of another type":            {secret(corev1.SecretTypeOpaque, "1", nil), nil, false},
		"never filled":               {secret(corev1.SecretTypeServiceAccountToken, "", nil), nil, false},
		"of another type, other UID": {secret(corev1.SecretTypeTLS, "1", nil), account("2"), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := outlived(c.secret, c.account, c.account != nil); got != c.want {
				t.Errorf("%v, expected %v", got, c.want)
			}
		})
	}
}
