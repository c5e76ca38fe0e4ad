package partition

import (
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/klog/v2"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

var (
	// ErrNoScope is what every operation returns that comes without a
	// keyspace.Scope in its ctx: a bug in the request chain (P1).
	ErrNoScope = errors.New("no workspace scope in the request's context")
	// ErrForeignObject is returned instead of an object whose stamp is not the
	// workspace it was read in (P4).
	ErrForeignObject = errors.New("stored object carries the stamp of another workspace")
)

// errEverywhere refuses what needs one workspace for all of them (P7).
func errEverywhere(verb string) error {
	return apierrors.NewBadRequest(fmt.Sprintf("cannot %s across all workspaces: name one workspace", verb))
}

// foreign reports an object found in the wrong workspace. Whose it is goes to
// the log only: the error reaches a client.
func foreign(key string, found, want logicalcluster.Name) error {
	klog.ErrorS(ErrForeignObject, "Refusing an object", "key", key, "stamp", found, "workspace", want)
	return ErrForeignObject
}
