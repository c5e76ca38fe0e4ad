// Package serviceaccounts keeps in every namespace what programs in it count
// on: the service account "default", and the ConfigMap "kube-root-ca.crt" with
// the certificate the hub is known by. What somebody deletes or changes comes
// back.
//
// New workspaces get both from the lifecycle loop, together with their
// namespaces; this loop leaves them alone until they are ready, and then finds
// nothing to do.
package serviceaccounts
