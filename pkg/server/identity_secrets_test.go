package server

import (
	"fmt"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func tokenSecret(meta metav1.ObjectMeta, account string) *corev1.Secret {
	if meta.Annotations == nil {
		meta.Annotations = map[string]string{}
	}
	if account != "" {
		meta.Annotations[corev1.ServiceAccountNameKey] = account
	}
	return &corev1.Secret{ObjectMeta: meta, Type: corev1.SecretTypeServiceAccountToken}
}

func TestTokenSecrets(t *testing.T) {
	mine, home := newWorkspace(t)
	theirs, _ := newWorkspace(t)
	letIn(t, theirs, "system:cluster:"+home.Spec.Cluster)
	core, ctx := withToken(t, "alice-token").Kubernetes(mine).CoreV1(), minute(t)
	account, err := core.ServiceAccounts("default").Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "bot"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	secrets := core.Secrets("default")
	forged := tokenSecret(metav1.ObjectMeta{GenerateName: "bot-"}, "bot")
	forged.Data = map[string][]byte{"token": []byte("mine"), "namespace": []byte("kube-system"), "other": []byte("kept")}
	made, err := secrets.Create(ctx, forged, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(made.Data["ca.crt"]), "BEGIN CERTIFICATE") || string(made.Data["namespace"]) != "default" || string(made.Data["other"]) != "kept" ||
		made.Annotations[corev1.ServiceAccountUIDKey] != string(account.UID) || !strings.HasPrefix(made.Name, "bot-") {
		t.Errorf("a Secret is made with %v and %q", made.Annotations, made.Data)
	}
	token := string(made.Data["token"])
	await(ctx, t, "the token is good", func() error { _, err := whoami(ctx, t, token, mine); return err })
	if user, err := whoami(ctx, t, token, mine); err != nil || user.Username != "system:serviceaccount:default:bot" {
		t.Errorf("at home: %v, %v", user, err)
	}
	await(ctx, t, "the token is good abroad", func() error { _, err := whoami(ctx, t, token, theirs); return err })
	if user, _ := whoami(ctx, t, token, theirs); user.Username != "system:kcp:serviceaccount:"+home.Spec.Cluster+":default:bot" {
		t.Errorf("abroad: %v", user)
	}

	t.Run("a change elsewhere keeps the token", func(t *testing.T) {
		made.Labels = map[string]string{"a": "b"}
		if made, err = secrets.Update(ctx, made, metav1.UpdateOptions{}); err != nil || string(made.Data["token"]) != token {
			t.Errorf("%v, %v", made, err)
		}
	})
	t.Run("a token taken away comes back as another", func(t *testing.T) {
		delete(made.Data, "token")
		if made, err = secrets.Update(ctx, made, metav1.UpdateOptions{}); err != nil || len(made.Data["token"]) == 0 {
			t.Fatalf("%v, %v", made, err)
		}
		token = string(made.Data["token"])
	})
	t.Run("a token cannot be put in", func(t *testing.T) {
		made.Data["token"] = []byte(newToken(t, theirs, authenticationv1.TokenRequestSpec{}).Token)
		if made, err = secrets.Update(ctx, made, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		if user, err := whoami(ctx, t, string(made.Data["token"]), mine); err != nil || user.Username != "system:serviceaccount:default:bot" {
			t.Errorf("%v, %v", user, err)
		}
		token = string(made.Data["token"])
	})
	t.Run("bound to its Secret", func(t *testing.T) {
		second, err := secrets.Create(ctx, tokenSecret(metav1.ObjectMeta{Name: "second"}, "bot"), metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := secrets.Delete(ctx, "second", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := whoami(ctx, t, string(second.Data["token"]), mine); !apierrors.IsUnauthorized(err) {
			t.Errorf("after its Secret was deleted: %v, expected unauthorized", err)
		}
	})
	t.Run("goes with its account", func(t *testing.T) {
		if err := core.ServiceAccounts("default").Delete(ctx, "bot", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		await(ctx, t, "the token is refused", func() error {
			if _, err := whoami(ctx, t, token, mine); !apierrors.IsUnauthorized(err) {
				return fmt.Errorf("expected unauthorized, got %v", err)
			}
			return nil
		})
		await(ctx, t, "the Secret is gone", func() error {
			if _, err := secrets.Get(ctx, made.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				return fmt.Errorf("expected not found, got %v", err)
			}
			return nil
		})
	})
}

func TestTokenSecretsForNobody(t *testing.T) {
	mine, _ := newWorkspace(t)
	secrets := withToken(t, "alice-token").Kubernetes(mine).CoreV1().Secrets("default")
	for name, c := range map[string]struct {
		secret *corev1.Secret
		says   string
	}{
		"no account":       {tokenSecret(metav1.ObjectMeta{Name: "a"}, ""), "metadata.annotations[kubernetes.io/service-account.name]: Required value"},
		"an unknown one":   {tokenSecret(metav1.ObjectMeta{Name: "a"}, "nobody"), `there is no such service account in namespace "default"`},
		"one that was":     {tokenSecret(metav1.ObjectMeta{Name: "a", Annotations: map[string]string{corev1.ServiceAccountUIDKey: "1"}}, "default"), "leave this annotation out"},
		"without any name": {tokenSecret(metav1.ObjectMeta{}, "default"), "name or generateName is required"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := secrets.Create(t.Context(), c.secret, metav1.CreateOptions{}); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; expected invalid, saying %q", err, c.says)
			}
		})
	}
}
