#include "engine/sasl_service.h"

#include <sasl/sasl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"

namespace shardmill::engine {
namespace {

constexpr const char* kApplication = "memcached";
constexpr const char* kConfigurationFile = "memcached.conf";
constexpr const char* kPasswordFileVariable = "MEMCACHED_SASL_PWDB";
constexpr const char* kDirectories[] = {"/etc/sasl", "/etc/sasl2"};

/// The realm of users who name none.
std::string host_name() {
    std::array<char, 1025> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

bool is_there(const std::filesystem::path& path) {
    std::error_code ignored;
    return std::filesystem::exists(path, ignored);
}

/// The directory that Cyrus looks for memcached.conf in; nullopt: there is none.
std::optional<std::string> configuration_directory() {
    if (const char* given = std::getenv("SASL_CONF_PATH")) {
        const std::filesystem::path path = given;
        std::error_code ignored;
        const bool is_file = std::filesystem::is_regular_file(path, ignored);
        return is_file ? path.parent_path().string() : path.string();
    }
    for (const std::filesystem::path directory : kDirectories) {
        const auto file = directory / kConfigurationFile;
        if (is_there(file / kConfigurationFile)) return file.string();
        if (is_there(file)) return directory.string();
    }
    // Whoever has a password file of his own needs no more than Cyrus's defaults.
    if (std::getenv(kPasswordFileVariable) != nullptr) return kDirectories[1];
    return std::nullopt;
}

int get_configuration_path(void*, char** path) noexcept {
    const auto directory = configuration_directory();
    if (!directory) {
        base::log_verbose(1, "SASL: there is no {}", kConfigurationFile);
        return SASL_FAIL;
    }
    base::log_verbose(1, "SASL: the configuration is looked for in {}", *directory);
    // Whatever its header says, Cyrus does not free it: it is ours, and stays until the next time.
    static std::string kept;
    kept = *directory;
    *path = kept.data();
    return SASL_OK;
}

int log_message(void*, int level, const char* message) noexcept {
    switch (level) {
        case SASL_LOG_NONE:
        case SASL_LOG_PASS:  // has passwords in it
            break;
        case SASL_LOG_TRACE:
        case SASL_LOG_DEBUG:
        case SASL_LOG_NOTE:
            base::log_verbose(2, "SASL: {}", message);
            break;
        case SASL_LOG_WARN:
        case SASL_LOG_FAIL:
            base::log_verbose(1, "SASL: {}", message);
            break;
        default:
            base::log_error("SASL: {}", message);
    }
    return SASL_OK;
}

/// Looks at all of the candidate, whatever is wrong with it.
bool same(std::string_view secret, std::string_view candidate) noexcept {
    std::size_t differs = secret.size() ^ candidate.size();
    for (std::size_t i = 0; i < candidate.size(); ++i) {
        const char known = secret.empty() ? '\0' : secret[i % secret.size()];
        differs |= static_cast<unsigned char>(known ^ candidate[i]);
    }
    return differs == 0;
}

/// `user:password`, and whatever follows another colon.
bool line_accepts(std::string_view line, std::string_view user, std::string_view password) {
    if (user.find(':') != std::string_view::npos) return false;
    if (!line.starts_with(user) || line.size() == user.size() || line[user.size()] != ':') {
        return false;
    }
    std::string_view rest = line.substr(user.size() + 1);
    if (rest.ends_with('\r')) rest.remove_suffix(1);
    if (same(rest, password)) return true;
    const bool more = rest.size() > password.size() && rest[password.size()] == ':';
    return more && same(rest.substr(0, password.size()), password);
}

/// Cyrus gives users a realm; those of the file need not have one.
std::string_view without_realm(std::string_view user, std::string_view realm) {
    if (!user.ends_with(realm)) return user;
    const std::string_view name = user.substr(0, user.size() - realm.size());
    return name.ends_with('@') ? name.substr(0, name.size() - 1) : user;
}

int check_password(sasl_conn_t*, void*, const char* user, const char* password, unsigned bytes,
                   propctx*) noexcept {
    try {
        std::ifstream file(std::getenv(kPasswordFileVariable));
        if (!file) {
            base::log_error("SASL: the password file {} cannot be read",
                            std::getenv(kPasswordFileVariable));
            return SASL_NOAUTHZ;
        }
        const std::string realm = host_name();
        const std::string_view name = without_realm(user, realm);
        bool accepted = false;
        for (std::string line; std::getline(file, line);) {
            accepted |= line_accepts(line, user, {password, bytes});
            accepted |= line_accepts(line, name, {password, bytes});
        }
        return accepted ? SASL_OK : SASL_NOAUTHZ;
    } catch (const std::exception&) {
        return SASL_NOMEM;
    }
}

template <typename Function>
sasl_callback_t callback(unsigned long id, Function* function) noexcept {
    return {id, reinterpret_cast<int (*)()>(reinterpret_cast<void (*)()>(function)), nullptr};
}

/// Cyrus keeps a pointer to them.
const sasl_callback_t* callbacks() {
    static std::array<sasl_callback_t, 4> table;
    std::size_t count = 0;
    if (std::getenv(kPasswordFileVariable) != nullptr) {
        table[count++] = callback(SASL_CB_SERVER_USERDB_CHECKPASS, check_password);
    }
    table[count++] = callback(SASL_CB_LOG, log_message);
    table[count++] = callback(SASL_CB_GETCONFPATH, get_configuration_path);
    table[count] = {SASL_CB_LIST_END, nullptr, nullptr};
    return table.data();
}

struct Dispose {
    void operator()(sasl_conn_t* session) const noexcept { ::sasl_dispose(&session); }
};
using Session = std::unique_ptr<sasl_conn_t, Dispose>;

const char* data_or_null(std::string_view bytes) noexcept {
    return bytes.empty() ? nullptr : bytes.data();
}

}  // namespace

struct SaslService::Impl {
    Impl() { initialised = ::sasl_server_init(callbacks(), kApplication); }
    ~Impl() {
        exchanges.clear();
        ::sasl_done();
    }
    Session begin_session() const;
    Answer conclude(net::ConnectionId connection, int result, std::string_view body);

    using Key = std::pair<std::uint32_t, std::uint64_t>;
    static Key key_of(net::ConnectionId connection) noexcept {
        return {connection.reactor, connection.generation};
    }

    int initialised;
    std::string host;
    std::map<Key, Session> exchanges;
};

std::expected<std::unique_ptr<SaslService>, std::string> SaslService::open() {
    auto impl = std::make_unique<Impl>();
    if (impl->initialised != SASL_OK) {
        return std::unexpected(
            fmt::format("cannot initialise SASL: {}; put a {} into {} or name its directory with "
                        "SASL_CONF_PATH",
                        ::sasl_errstring(impl->initialised, nullptr, nullptr), kConfigurationFile,
                        kDirectories[1]));
    }
    impl->host = host_name();
    return std::unique_ptr<SaslService>(new SaslService(std::move(impl)));
}

SaslService::SaslService(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

SaslService::~SaslService() = default;

Session SaslService::Impl::begin_session() const {
    sasl_conn_t* session = nullptr;
    const int result =
        ::sasl_server_new(kApplication, nullptr, host.empty() ? nullptr : host.c_str(), nullptr,
                          nullptr, nullptr, 0, &session);
    if (result == SASL_OK) return Session(session);
    base::log_verbose(1, "SASL: no session: {}", ::sasl_errstring(result, nullptr, nullptr));
    return nullptr;
}

/// An exchange that goes on is kept, one that has ended is not.
SaslService::Answer SaslService::Impl::conclude(net::ConnectionId connection, int result,
                                                std::string_view body) {
    if (result == SASL_CONTINUE) return {Outcome::Continue, std::string(body)};
    if (result != SASL_OK) {
        base::log_verbose(1, "SASL: {}", ::sasl_errstring(result, nullptr, nullptr));
    }
    exchanges.erase(key_of(connection));
    return {result == SASL_OK ? Outcome::Accepted : Outcome::Failed, {}};
}

SaslService::Answer SaslService::list_mechanisms() {
    const Session session = impl_->begin_session();
    const char* names = nullptr;
    unsigned bytes = 0;
    if (!session ||
        ::sasl_listmech(session.get(), nullptr, "", " ", "", &names, &bytes, nullptr) != SASL_OK) {
        return {Outcome::Failed, {}};
    }
    return {Outcome::Accepted, std::string(names, bytes)};
}

SaslService::Answer SaslService::start(net::ConnectionId connection, std::string_view mechanism,
                                       std::string_view response) {
    Session session = impl_->begin_session();
    if (!session) return {Outcome::Failed, {}};
    sasl_conn_t* const raw = session.get();
    impl_->exchanges[Impl::key_of(connection)] = std::move(session);
    const char* body = nullptr;
    unsigned bytes = 0;
    const int result =
        ::sasl_server_start(raw, std::string(mechanism).c_str(), data_or_null(response),
                            static_cast<unsigned>(response.size()), &body, &bytes);
    return impl_->conclude(connection, result, {body, body == nullptr ? 0 : bytes});
}

SaslService::Answer SaslService::step(net::ConnectionId connection, std::string_view response) {
    const auto found = impl_->exchanges.find(Impl::key_of(connection));
    if (found == impl_->exchanges.end()) return {Outcome::Failed, {}};
    const char* body = nullptr;
    unsigned bytes = 0;
    const int result = ::sasl_server_step(found->second.get(), data_or_null(response),
                                          static_cast<unsigned>(response.size()), &body, &bytes);
    return impl_->conclude(connection, result, {body, body == nullptr ? 0 : bytes});
}

void SaslService::forget(net::ConnectionId connection) noexcept {
    impl_->exchanges.erase(Impl::key_of(connection));
}

std::size_t SaslService::exchanges() const noexcept { return impl_->exchanges.size(); }

}  // namespace shardmill::engine
