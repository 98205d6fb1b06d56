"""PayPal's error bodies: a name for the status, and an issue that says what is wrong."""

from ..wire import Json

_NAMES = {
    400: ("INVALID_REQUEST", "Request is not well-formed, syntactically incorrect, or violates"
          " schema."),
    401: ("AUTHENTICATION_FAILURE", "Authentication failed due to missing authorization header,"
          " or invalid authentication credentials."),
    403: ("NOT_AUTHORIZED", "Authorization failed due to insufficient permissions."),
    404: ("RESOURCE_NOT_FOUND", "The specified resource does not exist."),
    409: ("RESOURCE_CONFLICT", "The server has detected a conflict while processing this"
          " request."),
    422: ("UNPROCESSABLE_ENTITY", "The requested action could not be performed, semantically"
          " incorrect, or failed business validation."),
    429: ("RATE_LIMIT_REACHED", "Too many requests. Blocked due to rate limiting."),
    500: ("INTERNAL_SERVER_ERROR", "An internal server error occurred."),
    503: ("SERVICE_UNAVAILABLE", "Service Unavailable."),
}  # fmt: skip

# Issues that are not a 422.
_STATUS = {
    "INVALID_PARAMETER_SYNTAX": 400,
    "INVALID_PARAMETER_VALUE": 400,
    "MALFORMED_REQUEST_JSON": 400,
    "MISSING_REQUIRED_PARAMETER": 400,
    "NOT_SUPPORTED": 400,
    "UNSUPPORTED_DOCUMENT": 400,
    "RESULTSET_TOO_LARGE": 400,
    "AUTHENTICATION_FAILURE": 401,
    "INVALID_ACCOUNT_STATUS": 401,
    "PERMISSION_DENIED": 403,
    "PAYEE_ACCOUNT_NOT_VERIFIED": 403,
    "INVALID_RESOURCE_ID": 404,
    "PREVIOUS_REQUEST_IN_PROGRESS": 409,
    "RATE_LIMIT_REACHED": 429,
    "INTERNAL_SERVER_ERROR": 500,
    "SERVICE_UNAVAILABLE": 503,
}

_SAYS = {
    "AUTHORIZATION_ALREADY_CAPTURED": "Authorization has previously been captured.",
    "AUTHORIZATION_EXPIRED": "An expired authorization cannot be captured.",
    "AUTHORIZATION_VOIDED": "A voided authorization cannot be captured or reauthorized.",
    "CAPTURE_FULLY_REFUNDED": "The capture has already been fully refunded.",
    "DISPUTE_ACTION_NOT_ALLOWED": "The dispute does not offer this action as it stands now.",
    "DUPLICATE_INVOICE_ID": "Requested invoice_id has been previously captured. Possible duplicate"
    " transaction.",
    "INSTRUMENT_DECLINED": "The instrument presented was either declined by the processor or bank,"
    " or it can't be used for this payment.",
    "INVALID_RESOURCE_ID": "Specified resource ID does not exist. Please check the resource ID and"
    " try again.",
    "MAX_CAPTURE_AMOUNT_EXCEEDED": "Capture amount exceeds allowable limit.",
    "MISSING_REQUIRED_PARAMETER": "A required field / parameter is missing.",
    "NOT_SUPPORTED": "This field is not currently supported.",
    "ORDER_ALREADY_AUTHORIZED": "Order already authorized.",
    "ORDER_NOT_APPROVED": "Payer has not yet approved the Order for payment.",
    "PAYER_ACTION_REQUIRED": "Transaction cannot complete successfully, instruct the buyer to"
    " return to PayPal.",
    "PREVIOUSLY_CAPTURED": "Authorization has been previously captured and hence cannot be voided.",
    "PREVIOUSLY_VOIDED": "Authorization has been previously voided and hence cannot be voided"
    " again.",
    "PREVIOUS_REQUEST_IN_PROGRESS": "A previous request on this resource is currently in progress."
    " Please wait for sometime and try again.",
    "REFUND_AMOUNT_EXCEEDED": "The refund amount must be less than or equal to the capture amount"
    " that has not yet been refunded.",
    "TOKEN_ID_NOT_FOUND": "Specified token was not found. Verify the token and try the request"
    " again.",
}


class PayPalError(Exception):
    """An answer that is not 2xx. Nothing of what the request wrote stays."""

    def __init__(self, issue: str, *, field: str = "", value: str = "") -> None:
        super().__init__(issue)
        self.issue = issue
        self.status = _STATUS.get(issue, 422)
        self.field = field
        self.value = value

    def body(self, debug_id: str) -> Json:
        name, message = _NAMES[self.status]
        found: Json = {"name": name, "message": message, "debug_id": debug_id, "links": []}
        if self.issue != name:
            detail = {"issue": self.issue, "description": _SAYS.get(self.issue, self.issue.title())}
            if self.field:
                detail |= {"field": self.field, "value": self.value, "location": "body"}
            found["details"] = [detail]
        return found
