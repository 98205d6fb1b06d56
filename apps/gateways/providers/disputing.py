"""The part of every provider that faces disputes, and how the truth about them is read."""

from __future__ import annotations

from apps.gateways.types import (
    AcceptDisputeRequest,
    Declined,
    InspectDisputeRequest,
    ProviderDispute,
    ProviderFile,
    SubmitEvidenceRequest,
    UploadFileRequest,
)

AboutDispute = InspectDisputeRequest | SubmitEvidenceRequest | AcceptDisputeRequest


class FacesDisputes:
    """What a provider implements whose `capabilities` name it; raises as `Provider` says."""

    def find_dispute(self, reference: str) -> ProviderDispute:
        """The dispute as it is now."""
        raise NotImplementedError

    def upload_file(self, request: UploadFileRequest, *, op_key: str) -> ProviderFile:
        """Give the one file of the request to the provider.

        It moves no money, and a file that no answer names is nothing: a lost one is not looked for
        but sent again, under the same key as long as that is honored.
        """
        raise NotImplementedError

    def submit_evidence(self, request: SubmitEvidenceRequest, *, op_key: str) -> ProviderDispute:
        raise NotImplementedError

    def accept_dispute(self, request: AcceptDisputeRequest, *, op_key: str) -> ProviderDispute:
        raise NotImplementedError

    # --- the same for every provider --------------------------------------------------------------

    def send_about_dispute(self, request: AboutDispute, *, op_key: str) -> ProviderDispute:
        """A refusal is answered by the dispute: it came too late, or what we want is done."""
        try:
            match request:
                case InspectDisputeRequest():
                    return self.find_dispute(request.provider_reference)
                case SubmitEvidenceRequest():
                    return self.submit_evidence(request, op_key=op_key)
                case AcceptDisputeRequest():
                    return self.accept_dispute(request, op_key=op_key)
        except Declined:
            if isinstance(request, InspectDisputeRequest):
                raise
            return self.find_dispute(request.provider_reference)

    def look_up_about_dispute(self, request: AboutDispute) -> ProviderDispute | None:
        """None: the evidence has not arrived, or the dispute is not given up."""
        found = self.find_dispute(request.provider_reference)
        return found if is_said(request, found) else None


def is_said(request: AboutDispute, found: ProviderDispute) -> bool:
    """Whether a dispute shows that this was done, or that nothing can be done any more."""
    match request:
        case InspectDisputeRequest():
            return True
        case SubmitEvidenceRequest():
            return found.has_evidence or found.status.is_over
        case AcceptDisputeRequest():
            return found.status.is_over
