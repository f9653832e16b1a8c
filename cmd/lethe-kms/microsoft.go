package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"gocloud.dev/secrets/azurekeyvault"

	"lethe/internal/rootkey"
)

// microsoft opens RSA keys of Key Vault, of 2048 bits or more, which encrypt
// by RSA-OAEP-256.
type microsoft struct {
	credential azcore.TokenCredential // default: azidentity's default chain
	transport  policy.Transporter     // default: the client's own
}

// A name has the version: what one version has encrypted, no other opens, and
// neither the ciphertext nor gocloud remembers which it was.
var microsoftName = regexp.MustCompile(`^[a-zA-Z0-9-]+\.vault\.[a-z.]+/keys/[a-zA-Z0-9-]+/[a-zA-Z0-9]+$`)

func (m microsoft) open(_ context.Context, u *url.URL) (*keeper, error) {
	if !microsoftName.MatchString(u.Host+u.Path) || u.RawQuery != "" {
		return nil, errors.New("a key of Microsoft is named as azurekeyvault://VAULT.vault.azure.net/keys/KEY/VERSION, with its version and without options")
	}
	k, err := azurekeyvault.OpenKeeper(m.client, "https://"+u.Host+u.Path, nil)
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", rootkey.ErrDenied, err) // nothing was asked: the credentials cannot be read
	}
	return &keeper{Keeper: k, sort: microsoftError}, nil
}

func (m microsoft) client(vault string) (*azkeys.Client, error) {
	if m.credential == nil {
		chain, err := azidentity.NewDefaultAzureCredential(nil)
		if err != nil {
			return nil, err
		}
		m.credential = chain
	}
	return azkeys.NewClient(vault, m.credential, &azkeys.ClientOptions{ClientOptions: policy.ClientOptions{
		Transport: m.transport,
		Retry:     policy.RetryOptions{MaxRetries: attempts - 1, RetryDelay: 200 * time.Millisecond, MaxRetryDelay: pause},
	}})
}

// microsoftError sorts by status. A key that is disabled or expired is
// forbidden; what another key encrypted is a bad request.
func microsoftError(err error) (says string, kind error) {
	var response *azcore.ResponseError
	if !errors.As(err, &response) {
		var final interface{ NonRetriable() } // a credential's own errors
		if errors.As(err, &final) {
			return err.Error(), rootkey.ErrDenied
		}
		return err.Error(), rootkey.ErrUnreachable
	}
	says = fmt.Sprintf("Key Vault answers %d%s", response.StatusCode, microsoftWords(response))
	switch response.StatusCode {
	case http.StatusNotFound:
		return says, rootkey.ErrMissing
	case http.StatusBadRequest:
		return says, rootkey.ErrWrong
	case http.StatusUnauthorized, http.StatusForbidden:
		return says, rootkey.ErrDenied
	}
	return says, rootkey.ErrUnreachable
}

// microsoftWords are the service's own. The client's error is the whole
// answer, over many lines.
func microsoftWords(r *azcore.ResponseError) string {
	var answer struct {
		Error struct {
			Code, Message string
			InnerError    struct{ Code string }
		}
	}
	text, err := runtime.Payload(r.RawResponse)
	if err != nil || json.Unmarshal(text, &answer) != nil {
		return ""
	}
	says := ""
	for _, word := range []string{answer.Error.Code, answer.Error.InnerError.Code, answer.Error.Message} {
		if word != "" {
			says += ": " + word
		}
	}
	return says
}
