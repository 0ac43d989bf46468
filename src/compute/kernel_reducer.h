#pragma once

#include <memory>
#include <string>
#include <vector>

#include "compute/ast.h"
#include "compute/expression.h"
#include "compute/partial_account.h"
#include "compute/reducer.h"
#include "compute/registry.h"
#include "compute/scanner.h"

namespace shardmill::compute {

/// A kernel opened with its arguments. Immutable, shared by the partials of a program; closes the
/// kernel at its end.
class KernelPlan {
 public:
    static Parsed<std::unique_ptr<KernelPlan>> open(const ast::KernelCall& call,
                                                    const Registry& registry, PathSet& paths);
    ~KernelPlan();
    KernelPlan(const KernelPlan&) = delete;
    KernelPlan& operator=(const KernelPlan&) = delete;

    const shardmill_kernel& kernel() const noexcept { return *kernel_; }
    void* state() const noexcept { return state_; }
    const std::vector<std::string>& columns() const noexcept { return columns_; }
    const std::vector<Expression>& arguments() const noexcept { return arguments_; }
    bool has(shardmill_kernel_flags flag) const noexcept { return (kernel_->flags & flag) != 0; }

 private:
    explicit KernelPlan(const shardmill_kernel& kernel) noexcept : kernel_(&kernel) {}

    const shardmill_kernel* kernel_;
    void* state_ = nullptr;
    bool opened_ = false;
    std::vector<Expression> arguments_;
    std::vector<std::string> columns_;
};

/// A partial of a kernel behind the C table.
class KernelReducer : public Reducer {
 public:
    /// Both outlive the reducer.
    static std::expected<std::unique_ptr<KernelReducer>, JobError> start(const KernelPlan& plan,
                                                                         PartialAccount& account);
    ~KernelReducer() override;
    KernelReducer(const KernelReducer&) = delete;
    KernelReducer& operator=(const KernelReducer&) = delete;

    Status map(const Block& block) override;
    Status merge(Reducer& other) override;
    Status save(shardmill_write_function write, void* context) override;
    Status load(std::string_view bytes) override;
    Status finish(RowTable& rows) override;

 private:
    KernelReducer(const KernelPlan& plan, PartialAccount& account);
    Status status(int result, const shardmill_error& error,
                  JobErrorKind kind = JobErrorKind::Kernel) const;

    const KernelPlan& plan_;
    PartialAccount& account_;
    void* partial_ = nullptr;
    std::vector<Column> storage_;             // of the arguments that are expressions
    std::vector<const Value*> column_views_;  // one for each argument
};

}  // namespace shardmill::compute
