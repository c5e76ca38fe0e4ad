package partition

import (
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
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

// sized says in words for its author that an object is larger than etcd stores:
// etcd says so, or gRPC, which does not even send what is larger still.
func sized(err error) error {
	unsent := status.Code(err) == codes.ResourceExhausted && strings.Contains(err.Error(), "message larger than max")
	if unsent || errors.Is(err, rpctypes.ErrRequestTooLarge) || errors.Is(err, rpctypes.ErrGRPCRequestTooLarge) {
		return apierrors.NewRequestEntityTooLargeError("the object is larger than etcd stores, which is 1.5 MiB unless the hub's operator chose otherwise: split it")
	}
	return err
}
